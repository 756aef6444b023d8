// The interactive parts of the page: the map, the details beside it, and tables that can be sorted and filtered.
// Text from the tree is only inserted as text (textContent), never as markup.
'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const data = JSON.parse($('data').textContent);

  /** An element with properties and children; a child that is a string is text. */
  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  /** A number of bytes with a unit: a KiB is 1024 bytes. */
  function size(bytes) {
    if (bytes < 1024) return `${bytes} B`;
    const [value, unit] =
      bytes < 2 ** 20 ? [bytes / 2 ** 10, 'KiB'] : bytes < 2 ** 30 ? [bytes / 2 ** 20, 'MiB'] : [bytes / 2 ** 30, 'GiB'];
    return `${value.toFixed(2)} ${unit}`;
  }

  function percent(part, whole) {
    const share = whole ? (100 * part) / whole : 0;
    return `${share >= 9.95 || share === 0 ? Math.round(share) : share < 0.1 ? '<0.1' : share.toFixed(1)}%`;
  }

  const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

  // ---- The maps: boxes in preorder ----------------------------------------------------------------------------------

  function readMap(raw, title) {
    const count = raw.depth.length;
    const parent = new Int32Array(count).fill(-1);
    const end = new Int32Array(count);
    const files = new Int32Array(count);
    const above = [];
    for (let i = 0; i < count; i++) {
      above.length = raw.depth[i];
      if (above.length) parent[i] = above[above.length - 1];
      above.push(i);
      end[i] = i + 1;
    }
    for (let i = count - 1; i > 0; i--) {
      if (end[i] === i + 1) files[i] = 1;
      end[parent[i]] = Math.max(end[parent[i]], end[i]);
      files[parent[i]] += files[i];
    }
    const bytes = Uint8Array.from(atob(raw.boxes), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const edges = Float64Array.from({ length: 4 * count }, (_, i) => view.getUint16(2 * i, true) / 65535);
    return { ...raw, title, count, parent, end, files, edges, weight: raw.measured ? raw.zipped : raw.unzipped };
  }

  const maps = { kept: readMap(data.kept, 'Kept'), pruned: readMap(data.dropped, 'Pruned') };
  const isFile = (map, i) => map.end[i] === i + 1 && i > 0;
  function* childrenOf(map, i) {
    for (let child = i + 1; child < map.end[i]; child = map.end[child]) yield child;
  }
  const pathOf = (map, i) => {
    const base = map.groups[map.parent[i]]?.[1];
    return base ? `${base}/${map.name[i]}` : map.name[i];
  };
  /** The name of a box in the dependencies: `/opt/…` for a file, the unit's name for a group; none for other boxes. */
  const thingOf = (map, i) => (isFile(map, i) ? `/opt/${pathOf(map, i)}` : map.groups[i]?.[0]);

  /** The first box of each thing; kept ones before pruned ones. */
  const boxOf = new Map();
  for (const map of [maps.kept, maps.pruned]) {
    for (let i = 1; i < map.count; i++) {
      const thing = thingOf(map, i);
      if (thing && !boxOf.has(thing)) boxOf.set(thing, [map, i]);
    }
  }

  // ---- Dependencies -------------------------------------------------------------------------------------------------

  const numberOf = new Map(data.things.map((thing, i) => [thing, i]));
  const CONTAINS = 4;
  const VERBS = {
    needs: ['loads', 'imports', 'runs', 'links to', 'reads', 'opens'],
    users: ['loads it', 'imports it', 'runs it', 'links to it', 'reads it', 'opens it'],
  };
  /** The order of the list: imports first. */
  const RANK = [1, 0, 2, 3, 4];
  const STEPS_SHOWN = 2;
  const forward = data.things.map(() => []);
  const backward = data.things.map(() => []);
  for (let i = 0; i < data.needs.length; i += 3) {
    const [from, how, to] = data.needs.slice(i, i + 3);
    forward[from].push([to, how]);
    backward[to].push([from, how]);
  }

  /**
   * Everything that can be reached from things, step by step. Files that a package or R reads of its own are not a step:
   * what such a file needs, the package needs.
   */
  function reach(starts, edges) {
    const seen = new Map(starts.map((start) => [start, null]));
    const first = new Set(starts);
    const own = [];
    const steps = [];
    let front = [...starts];
    while (front.length) {
      const step = [];
      for (let at = 0; at < front.length; at++) {
        for (const [to, how] of edges[front[at]]) {
          if (seen.has(to)) continue;
          seen.set(to, front[at]);
          if (how === CONTAINS && edges === forward) {
            front.push(to);
            if (first.has(front[at])) own.push([to, how, null]);
          } else {
            step.push([to, how, first.has(front[at]) ? null : front[at]]);
          }
        }
      }
      if (step.length) steps.push(step);
      front = step.map(([to]) => to);
    }
    return { own, steps };
  }

  /** A thing's name, what it is, and a mark unless it is a kept file. */
  function describe(thing) {
    if (thing === 'r') return { name: 'R', what: 'a session of R' };
    if (thing.startsWith('missing:')) {
      return { name: thing.slice(8), what: 'a missing library', mark: 'missing' };
    }
    const box = boxOf.get(thing);
    if (!box) return { name: thing, what: 'of the image', mark: 'image' };
    const [map, i] = box;
    const mark = map === maps.pruned ? 'pruned' : undefined;
    return isFile(map, i)
      ? { name: pathOf(map, i), what: 'a file', mark }
      : { name: map.name[i], what: 'a unit', mark };
  }

  function thingButton(thing) {
    const { name, mark } = describe(thing);
    const button = element('button', { type: 'button', className: 'go', textContent: name });
    button.addEventListener('click', () => go(thing));
    if (!mark) return [button];
    const className = mark === 'missing' ? 'badge error' : '';
    return [button, ' ', element('small', { className, textContent: mark })];
  }

  // ---- State: the map shown, the box that fills it, and the selected box --------------------------------------------

  /** The box to show first: the only layer or rule, if there is just one. */
  function topOf(map) {
    let top = 0;
    while (map.end[top] > top + 1 && map.end[top + 1] === map.end[top] && !isFile(map, top + 1)) top += 1;
    return top;
  }
  const state = { map: maps.kept, zoom: topOf(maps.kept), focus: -1, thing: null };
  const history = [];
  const animated = !matchMedia('(prefers-reduced-motion: reduce)').matches;

  function show(map, box, thing, { remember = true, announce = true } = {}) {
    if (remember) history.push({ map: state.map, zoom: state.zoom, focus: state.focus, thing: state.thing });
    $('tip').hidden = true;
    const zoom = box < 0 ? state.zoom : isFile(map, box) ? map.parent[box] : box;
    const from = state.map === map && zoom !== state.zoom ? rectOf(zoom) : null;
    Object.assign(state, { map, zoom, focus: box >= 0 && isFile(map, box) ? box : -1, thing });
    moveFrom(from);
    renderPanel();
    renderCrumbs();
    $('show-kept').setAttribute('aria-pressed', String(map === maps.kept));
    $('show-pruned').setAttribute('aria-pressed', String(map === maps.pruned));
    $('back').hidden = !history.length;
    if (announce) say(`${$('what').textContent}, ${size(map.weight[box < 0 ? zoom : box])}`);
  }

  const goToBox = (map, box) => show(map, box, thingOf(map, box) ?? null);

  /** Shows a thing: its box, if it has one, and its dependencies. */
  function go(thing) {
    const box = boxOf.get(thing);
    if (box) show(box[0], box[1], thing);
    else show(state.map, -1, thing);
    $('panel').scrollTop = 0;
    // On a phone the panel is below the map; otherwise both are visible, with the position in the map above them.
    const narrow = matchMedia('(max-width: 900px)').matches;
    if (narrow || !isInView($('panel'))) $(narrow ? 'panel' : 'map-section').scrollIntoView({ block: 'start' });
    $('what').focus({ preventScroll: true });
  }

  function isInView(target) {
    const { top, bottom } = target.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight + 40;
  }

  const say = (text) => {
    $('said').textContent = text;
  };

  function zoomOut() {
    const { map, zoom } = state;
    if (zoom <= topOf(map)) return false;
    show(map, map.parent[zoom], thingOf(map, map.parent[zoom]) ?? null);
    state.focus = zoom;
    draw();
    return true;
  }

  // ---- Drawing ------------------------------------------------------------------------------------------------------

  const canvas = $('canvas');
  const pen = canvas.getContext('2d');
  // Pixels: the strip with a box's name, the gap around its content, and the minimum sides of a box with a strip.
  const STRIP = 19,
    GAP = 2,
    NAMED = [46, 40];
  // By how much a box that is zoomed to can be stretched to fill the map.
  const STRETCH = 1.4;
  let sides = { w: 1, h: 1 };
  let colours = {};
  let placed = { x: 0, y: 0, w: 1, h: 1 };
  let frame = 0;

  /** The part of a box for its content: below the strip with its name. The root has no strip. */
  const inner = (rect, i) => {
    const strip = i > 0 && rect.w >= NAMED[0] && rect.h >= NAMED[1] ? STRIP : GAP;
    return {
      x: rect.x + GAP,
      y: rect.y + strip,
      w: Math.max(0, rect.w - 2 * GAP),
      h: Math.max(0, rect.h - strip - GAP),
    };
  };

  /** The rectangle of a box whose parent's inside is at `within`. */
  const placeIn = (map, within, i) => {
    const [left, top, right, bottom] = map.edges.subarray(4 * i, 4 * i + 4);
    return {
      x: within.x + left * within.w,
      y: within.y + top * within.h,
      w: (right - left) * within.w,
      h: (bottom - top) * within.h,
    };
  };

  /** The inverse: the rectangle of the parent of a box at `rect`. */
  const parentAt = (map, rect, i) => {
    const [left, top, right, bottom] = map.edges.subarray(4 * i, 4 * i + 4);
    const w = rect.w / Math.max(right - left, 1e-5),
      h = rect.h / Math.max(bottom - top, 1e-5);
    const strip = map.parent[i] > 0 ? STRIP : GAP;
    return { x: rect.x - left * w - GAP, y: rect.y - top * h - strip, w: w + 2 * GAP, h: h + strip + GAP };
  };

  /** The rectangle of the root when a box is at `rect`. */
  function rootAt(map, rect, i) {
    for (; i > 0; i = map.parent[i]) rect = parentAt(map, rect, i);
    return rect;
  }
  const rootRect = () => rootAt(state.map, placed, state.zoom);

  /** The current rectangle of any box. */
  function rectOf(i) {
    const line = [];
    for (let at = i; at > 0; at = state.map.parent[at]) line.unshift(at);
    return line.reduce((rect, at) => placeIn(state.map, inner(rect, state.map.parent[at]), at), rootRect());
  }

  /** The rectangle of a box that is zoomed to: both sides grow about equally, so that its content keeps its shape. */
  function fitted(map, i) {
    if (i <= topOf(map)) return { x: 0, y: 0, ...sides };
    let ratio = 1.5;
    const line = [];
    for (let at = i; at > 0; at = map.parent[at]) line.unshift(at);
    for (const at of line) {
      const box = placeIn(map, { x: 0, y: 0, w: ratio, h: 1 }, at);
      ratio = box.w / Math.max(box.h, 1e-5);
    }
    const wanted = sides.w / sides.h;
    ratio = Math.min(Math.max(wanted, ratio / STRETCH), ratio * STRETCH);
    const w = Math.min(sides.w, sides.h * ratio),
      h = Math.min(sides.h, sides.w / ratio);
    const rect = { x: (sides.w - w) / 2, y: (sides.h - h) / 2, w, h };
    // Centred, but without showing anything outside the map.
    const root = rootAt(map, rect, i);
    rect.x -= Math.max(root.x, 0) + Math.min(root.x + root.w - sides.w, 0);
    rect.y -= Math.max(root.y, 0) + Math.min(root.y + root.h - sides.h, 0);
    return rect;
  }

  /** Draws the current state, with an animation from `from` if that is known and the user allows motion. */
  function moveFrom(from) {
    cancelAnimationFrame(frame);
    const to = fitted(state.map, state.zoom);
    const start = performance.now();
    const step = (now) => {
      const part = Math.min(1, (now - start) / 260);
      const eased = 1 - (1 - part) ** 3;
      for (const side of ['x', 'y', 'w', 'h']) placed[side] = from[side] + (to[side] - from[side]) * eased;
      draw();
      if (part < 1) frame = requestAnimationFrame(step);
      else $('map').dataset.still = 'true';
    };
    if (from && animated && from.w > 0 && from.h > 0) {
      $('map').dataset.still = 'false';
      placed = { ...from };
      frame = requestAnimationFrame(step);
    } else {
      placed = to;
      draw();
      $('map').dataset.still = 'true';
    }
  }

  /** The colours of the page; those of the kinds are taken from the legend. */
  function readColours() {
    const of = (target, property) => getComputedStyle(target)[property];
    colours = {
      kinds: [0, 1, 2, 3].map((kind) => of(document.querySelector(`#legend .k${kind}`), 'backgroundColor')),
      group: of($('legend'), 'outlineColor'),
      several: of($('legend'), 'borderTopColor'),
      text: of(document.body, 'color'),
      page: of($('map'), 'backgroundColor'),
      card: of($('panel'), 'backgroundColor'),
    };
  }

  function draw() {
    const { map, zoom, focus } = state;
    const scale = devicePixelRatio || 1;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = colours.page;
    pen.fillRect(0, 0, sides.w, sides.h);
    pen.textBaseline = 'middle';
    drawBox(map, 0, rootRect());
    if (zoom > 0 && (placed.x > 1 || placed.y > 1)) {
      // Dim everything outside the box that is zoomed to.
      pen.fillStyle = colours.page;
      pen.globalAlpha = 0.62;
      pen.beginPath();
      pen.rect(0, 0, sides.w, sides.h);
      pen.rect(placed.x, placed.y, placed.w, placed.h);
      pen.fill('evenodd');
      pen.globalAlpha = 1;
    }
    if (focus >= 0) {
      const rect = rectOf(focus);
      for (const [width, colour] of [
        [6, colours.card],
        [3, colours.text],
      ]) {
        pen.lineWidth = width;
        pen.strokeStyle = colour;
        pen.strokeRect(rect.x + 1.5, rect.y + 1.5, Math.max(rect.w - 3, 2), Math.max(rect.h - 3, 2));
      }
    }
  }

  function drawBox(map, i, rect) {
    if (rect.x > sides.w || rect.y > sides.h || rect.x + rect.w < 0 || rect.y + rect.h < 0) return;
    const file = isFile(map, i);
    const gap = rect.w > 5 && rect.h > 5 ? 1 : 0.4;
    if (i > 0) {
      const at = [rect.x, rect.y, Math.max(rect.w - gap, 0.5), Math.max(rect.h - gap, 0.5)];
      pen.fillStyle = map.kind[i] >= 0 ? colours.kinds[map.kind[i]] : colours.card;
      pen.fillRect(...at);
      if (!file && map.kind[i] >= 0) {
        // Outer boxes are darker, to show what belongs together.
        pen.fillStyle = map.groups[i] ? colours.group : colours.several;
        pen.fillRect(...at);
      }
    }
    const named = rect.w >= NAMED[0] && rect.h >= NAMED[1];
    if (file) {
      if (rect.w > 48 && rect.h > 15)
        label(fileLabel(map, i), rect, rect.h > 32 && rect.w > 60 ? size(map.weight[i]) : '', false);
      return;
    }
    if (named && i > 0) label(map.name[i], { ...rect, h: STRIP }, size(map.weight[i]), true);
    const within = inner(rect, i);
    if (within.w < 3 || within.h < 3) return;
    for (const child of childrenOf(map, i)) drawBox(map, child, placeIn(map, within, child));
  }

  const fileLabel = (map, i) => map.name[i].slice(map.name[i].lastIndexOf('/', map.name[i].length - 2) + 1);

  /** Writes a name into a box, shortened to fit, with its size beside it (in a strip) or below it. */
  function label(text, rect, figure, strip) {
    // Only the visible part of the box.
    const x = Math.max(rect.x, 0) + 5;
    const room = Math.min(rect.x + rect.w, sides.w) - x - 4;
    const y = strip ? rect.y + STRIP / 2 + 1 : rect.y + 10;
    if (room < 22 || y < 0) return;
    pen.fillStyle = colours.text;
    pen.font = strip ? '600 12px system-ui, sans-serif' : '12px system-ui, sans-serif';
    const fits = (part) => pen.measureText(part).width <= room;
    let part = text;
    while (part.length > 1 && !fits(part === text ? part : `${part}…`))
      part = part.slice(0, part.length > 40 ? 40 : -1);
    if (part.length < 2 && part !== text) return;
    const shown = part === text ? part : `${part}…`;
    pen.fillText(shown, x, y);
    if (!figure) return;
    pen.font = '11px system-ui, sans-serif';
    const width = pen.measureText(figure).width;
    if (!strip && width <= room) pen.fillText(figure, x, y + 15);
    if (strip) {
      pen.font = '600 12px system-ui, sans-serif';
      const used = pen.measureText(shown).width;
      pen.font = '11px system-ui, sans-serif';
      if (used + width + 12 <= room) pen.fillText(figure, x + used + 8, y);
    }
  }

  /** The boxes under a point, from the root to the innermost that is large enough to distinguish. */
  function boxesAt(x, y) {
    const { map } = state;
    const line = [];
    let i = 0,
      rect = rootRect();
    for (;;) {
      line.push(i);
      const within = inner(rect, i);
      let next = -1;
      for (const child of childrenOf(map, i)) {
        const box = placeIn(map, within, child);
        if (x >= box.x && x < box.x + box.w && y >= box.y && y < box.y + box.h) {
          next = child;
          rect = box;
          break;
        }
      }
      if (next < 0) return line;
      i = next;
    }
  }

  /** The box that a click on a point selects: the next one inwards, or one beside the box that is zoomed to. */
  function targetAt(x, y) {
    const { map, zoom } = state;
    const line = boxesAt(x, y);
    const at = line.indexOf(zoom);
    const depth = at >= 0 ? at + 1 : map.depth[zoom];
    return line[Math.min(depth, line.length - 1)];
  }

  // ---- Mouse and keyboard on the map --------------------------------------------------------------------------------

  const point = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };

  $('map').addEventListener('click', (event) => {
    const target = targetAt(...point(event));
    if (target !== state.zoom) goToBox(state.map, target);
  });

  $('map').addEventListener('pointermove', (event) => {
    if (event.pointerType === 'touch') return;
    const [x, y] = point(event);
    const { map } = state;
    const line = boxesAt(x, y);
    const i = line[line.length - 1];
    const tip = $('tip');
    tip.hidden = i === 0;
    const title = isFile(map, i)
      ? pathOf(map, i)
      : line
          .slice(1)
          .map((box) => map.name[box])
          .join(' › ');
    tip.replaceChildren(element('strong', { textContent: title }), element('br'), figures(map, i));
    const { offsetWidth: w, offsetHeight: h } = tip;
    // Set on the style object, because the page's policy forbids style attributes.
    tip.style.left = `${Math.max(0, Math.min(x + 14, sides.w - w - 4))}px`;
    tip.style.top = `${y + 20 + h > sides.h ? Math.max(0, y - h - 12) : y + 20}px`;
  });
  $('map').addEventListener('pointerleave', () => {
    $('tip').hidden = true;
  });

  const figures = (map, i) =>
    map.measured ? `${size(map.zipped[i])} zipped, ${size(map.unzipped[i])} unzipped` : `${size(map.unzipped[i])}`;

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  $('map').addEventListener('keydown', (event) => {
    const { map, zoom, focus } = state;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (ARROWS[event.key]) focusOn(neighbour(...ARROWS[event.key]));
    else if (event.key === 'Enter' || event.key === ' ') {
      if (focus < 0) focusOn(zoom + 1);
      else if (isFile(map, focus)) show(map, focus, thingOf(map, focus));
      else {
        goToBox(map, focus);
        focusOn(focus + 1, false);
      }
    } else if (event.key === 'Escape' || event.key === 'Backspace') {
      if (!zoomOut()) return;
    } else if (event.key === 'Home') focusOn(zoom + 1);
    else return;
    event.preventDefault();
  });

  function focusOn(box, announce = true) {
    const { map, zoom } = state;
    if (box < 0 || box >= map.end[zoom] || box <= zoom) return;
    state.focus = box;
    draw();
    const boxes = [...childrenOf(map, zoom)];
    if (announce) {
      const place = `${boxes.indexOf(box) + 1} of ${boxes.length} in ${map.name[zoom]}`;
      say(`${isFile(map, box) ? pathOf(map, box) : map.name[box]}, ${size(map.weight[box])}, ${place}`);
    }
  }

  /** The nearest box in a direction from the focused one, preferring one straight ahead. */
  function neighbour(dx, dy) {
    const { map, zoom, focus } = state;
    if (focus < 0) return zoom + 1;
    const within = inner(rectOf(zoom), zoom);
    const middle = (i) => {
      const rect = placeIn(map, within, i);
      return [rect.x + rect.w / 2, rect.y + rect.h / 2, rect];
    };
    const [x, y, from] = middle(focus);
    let best = focus,
      least = Infinity;
    for (const child of childrenOf(map, zoom)) {
      const [cx, cy, rect] = middle(child);
      const ahead = dx
        ? dx > 0
          ? rect.x - from.x - from.w
          : from.x - rect.x - rect.w
        : dy > 0
          ? rect.y - from.y - from.h
          : from.y - rect.y - rect.h;
      if (child === focus || ahead < -1) continue;
      const aside = dx ? Math.max(0, rect.y - y, y - rect.y - rect.h) : Math.max(0, rect.x - x, x - rect.x - rect.w);
      const distance = ahead + 3 * aside + Math.hypot(cx - x, cy - y) / 100;
      if (distance < least) [best, least] = [child, distance];
    }
    return best;
  }

  // ---- Details beside the map ---------------------------------------------------------------------------------------

  function renderCrumbs() {
    const { map, zoom } = state;
    const line = [];
    for (let at = zoom; at >= 0; at = map.parent[at]) line.unshift(at);
    $('crumbs').replaceChildren(
      ...line.map((i) => {
        const name = i === 0 ? map.title : map.name[i];
        if (i === zoom) return element('li', {}, element('span', { textContent: name, ariaCurrent: 'location' }));
        const button = element('button', { type: 'button', textContent: name });
        button.addEventListener('click', () => goToBox(map, i));
        return element('li', {}, button);
      }),
    );
  }

  function fact(list, name, ...value) {
    list.append(element('dt', { textContent: name }), element('dd', {}, ...value));
  }

  function renderPanel() {
    const { map, zoom, focus, thing } = state;
    const list = $('facts');
    list.replaceChildren();
    $('why').replaceChildren();
    const box = focus >= 0 ? focus : zoom;
    const boxed = thing === null || thingOf(map, box) === thing;
    if (boxed) {
      const file = isFile(map, box);
      $('what').textContent = file ? fileLabel(map, box) : map.name[box];
      if (file) fact(list, 'Path', element('span', { className: 'name', textContent: pathOf(map, box) }));
      else fact(list, 'Files', String(map.files[box]));
      if (map.measured) {
        const share =
          map.zipped[box] < map.zipped[0]
            ? `, ${percent(map.zipped[box], map.zipped[0])} of all ${map.title.toLowerCase()} files`
            : '';
        fact(list, 'Zipped', size(map.zipped[box]) + share);
      }
      fact(list, 'Unzipped', size(map.unzipped[box]));
      if (thing && !file) renderElsewhere(list, thing, map, box);
      const top = ancestorAt(map, box, 1);
      if (top > 0 && map.kind[top] < 0) {
        if (map === maps.kept) {
          if (top !== box) fact(list, 'In', map.name[top]);
        } else renderRule(map.name[top], top !== box, list);
      }
    } else {
      const { name, what } = describe(thing);
      $('what').textContent = name;
      fact(list, 'Is', what);
    }
    renderNeeds(thing);
    renderContents(boxed && !isFile(map, box) ? box : -1);
  }

  function ancestorAt(map, i, depth) {
    while (map.depth[i] > depth) i = map.parent[i];
    return map.depth[i] === depth ? i : -1;
  }

  /** The other parts of a unit: in other layers, or pruned. */
  function renderElsewhere(list, unit, here, box) {
    for (const map of [maps.kept, maps.pruned]) {
      const boxes = Object.keys(map.groups)
        .map(Number)
        .filter((i) => map.groups[i][0] === unit && !(map === here && i === box));
      if (!boxes.length) continue;
      const sum = (of) => boxes.reduce((total, i) => total + of[i], 0);
      const button = element('button', {
        type: 'button',
        className: 'go',
        textContent: `${plural(sum(map.files), 'file', 'files')}, ${size(sum(map.weight))}`,
      });
      const largest = boxes.reduce((a, b) => (map.weight[b] > map.weight[a] ? b : a));
      button.addEventListener('click', () => {
        goToBox(map, largest);
        $('what').focus({ preventScroll: true });
      });
      fact(list, map === here ? 'Elsewhere' : map.title, button);
    }
  }

  function renderRule(rule, named, list) {
    const text = data.rules[rule];
    if (named) fact(list, 'Pruned by', rule);
    if (!text) return;
    ['', 'Why it is safe: ', 'Breaks: '].forEach((heading, i) => {
      $('why').append(element('p', {}, element('b', { textContent: heading }), text[i]));
    });
  }

  /**
   * The numbers of what is needed where a thing is: its own; or those of its files for a library with its links, a directory or
   * any other unit that is not itself part of the graph.
   */
  function numbersOf(thing) {
    const number = numberOf.get(thing);
    if (number !== undefined) return [number];
    const found = [];
    for (const map of [maps.kept, maps.pruned]) {
      for (const group of Object.keys(map.groups).map(Number)) {
        if (map.groups[group][0] !== thing) continue;
        for (let i = group + 1; i < map.depth.length && map.depth[i] > map.depth[group]; i++) {
          const file = numberOf.get(thingOf(map, i));
          if (file !== undefined) found.push(file);
        }
      }
    }
    return found;
  }

  /** The two lists of a thing: what it needs and what needs it, step by step. */
  function renderNeeds(thing) {
    const target = $('needs');
    target.replaceChildren();
    if (!thing) return;
    const numbers = numbersOf(thing);
    if (!numbers.length) {
      target.append(
        element('p', { className: 'small', textContent: 'No known dependencies, and nothing is known to need it.' }),
      );
      return;
    }
    for (const [key, edges, title] of [
      ['needs', forward, 'Needs'],
      ['users', backward, 'Needed by'],
    ]) {
      const { own, steps } = reach(numbers, edges);
      const count = steps.reduce((sum, step) => sum + step.length, 0);
      const part = element('div', { id: `${key}-list` });
      part.append(
        element('h4', {
          textContent: count
            ? `${title} ${count}${steps.length > 1 ? `, in up to ${steps.length} steps` : ''}`
            : key === 'needs'
              ? 'No known dependencies'
              : 'Nothing is known to need it',
        }),
      );
      let into = part;
      steps.forEach((step, at) => {
        if (at === STEPS_SHOWN) {
          const further = steps.slice(at).reduce((sum, { length }) => sum + length, 0);
          into = element('details', {}, element('summary', { textContent: `${further} more, indirectly` }));
          part.append(into);
        }
        if (steps.length > 1)
          into.append(element('p', { className: 'step', textContent: at === 0 ? 'directly' : `in ${at + 1} steps` }));
        into.append(thingList(step, VERBS[key]));
      });
      if (own.length) {
        const more = element(
          'details',
          {},
          element('summary', { textContent: `reads ${plural(own.length, 'file', 'files')} of its own` }),
        );
        more.append(thingList(own, VERBS[key]));
        part.append(more);
      }
      target.append(part);
    }
  }

  function thingList(step, verbs) {
    const rows = step.map(([to, how, through]) => ({ thing: data.things[to], how, through }));
    rows.sort((a, b) => RANK[a.how] - RANK[b.how] || (describe(a.thing).name < describe(b.thing).name ? -1 : 1));
    const list = element('ul', { className: 'chips' });
    shorten(list, rows, 12, ({ thing, how, through }) => {
      const row = element('li', {}, element('small', { textContent: verbs[how] }), ...thingButton(thing));
      if (through !== null) row.title = `through ${describe(data.things[through]).name}`;
      return row;
    });
    return list;
  }

  /** Adds rows to a list, with a button that shows more if there are many. */
  function shorten(list, rows, count, make) {
    const add = (from, to) => list.append(...rows.slice(from, to).map(make));
    add(0, count);
    if (rows.length <= count) return;
    let shown = count;
    const button = element('button', { type: 'button' });
    const text = () => {
      button.textContent = `Show ${Math.min(200, rows.length - shown)} more of ${rows.length - shown}`;
    };
    text();
    const row = element('li', {}, button);
    list.append(row);
    button.addEventListener('click', () => {
      row.remove();
      const first = list.children.length;
      add(shown, (shown += 200));
      if (shown < rows.length) {
        text();
        list.append(row);
      }
      list.children[first]?.querySelector('button')?.focus();
    });
  }

  /** The content of a box, the largest first: an alternative to the map for screen readers. */
  function renderContents(box) {
    const target = $('contents');
    target.replaceChildren();
    if (box < 0) return;
    const { map } = state;
    const boxes = [...childrenOf(map, box)];
    if (!boxes.length) return;
    const list = element('ul', { className: 'contents' });
    list.setAttribute('aria-label', `In ${map.name[box]}`);
    shorten(list, boxes, 60, (i) => {
      const button = element('button', { type: 'button', className: 'go', textContent: map.name[i] });
      button.addEventListener('click', () => {
        goToBox(map, i);
        $('what').focus({ preventScroll: true });
      });
      const figure = element('span', { className: 'n', textContent: `${size(map.weight[i])}` });
      const share = element('span', { className: 'n share', textContent: percent(map.weight[i], map.weight[box]) });
      return element('li', {}, button, figure, share);
    });
    target.append(element('h4', { textContent: `Contents (${boxes.length})` }), list);
  }

  $('back').addEventListener('click', () => {
    const last = history.pop();
    if (!last) return;
    const from = last.map === state.map && last.zoom !== state.zoom ? rectOf(last.zoom) : null;
    Object.assign(state, { map: last.map, zoom: last.zoom, thing: last.thing });
    show(last.map, last.focus >= 0 ? last.focus : last.zoom, last.thing, { remember: false });
    moveFrom(from);
    if ($('back').hidden) $('what').focus();
  });

  for (const [id, map] of [
    ['show-kept', maps.kept],
    ['show-pruned', maps.pruned],
  ]) {
    const button = $(id);
    button.textContent = `${map.title} ${size(map.weight[0])}`;
    button.disabled = map.count < 2;
    button.addEventListener('click', () => show(map, topOf(map), null));
  }

  // ---- Find ---------------------------------------------------------------------------------------------------------

  /** What can be found: groups and files of both maps, then what is only in dependencies. */
  const findable = [];
  for (const map of [maps.kept, maps.pruned]) {
    for (let i = 1; i < map.count; i++) {
      const name = isFile(map, i) ? pathOf(map, i) : map.name[i];
      findable.push({
        name,
        low: name.toLowerCase(),
        note: `${map === maps.pruned ? 'pruned, ' : ''}${size(map.weight[i])}`,
        open: () => goToBox(map, i),
      });
    }
  }
  for (const thing of data.things) {
    if (boxOf.has(thing)) continue;
    const { name, what } = describe(thing);
    findable.push({ name, low: name.toLowerCase(), note: what, open: () => go(thing) });
  }

  function find(text) {
    const wanted = text.trim().toLowerCase();
    const list = $('found');
    list.hidden = !wanted;
    if (!wanted) return list.replaceChildren();
    const hits = findable.filter((item) => item.low.includes(wanted));
    // Names that begin with it and short names come first.
    const rank = (item) => (item.low === wanted ? 0 : item.low.startsWith(wanted) ? 1 : 2) * 1e4 + item.low.length;
    hits.sort((a, b) => rank(a) - rank(b));
    list.replaceChildren(
      ...hits.slice(0, 40).map((item) => {
        const button = element(
          'button',
          { type: 'button' },
          element('span', { textContent: item.name }),
          element('small', { textContent: item.note }),
        );
        button.addEventListener('click', () => {
          closeFind();
          item.open();
          $('what').focus({ preventScroll: true });
        });
        return element('li', {}, button);
      }),
    );
    if (!hits.length) list.append(element('li', { className: 'small', textContent: 'No match.' }));
    say(plural(hits.length, 'hit', 'hits'));
  }

  function closeFind() {
    $('find').value = '';
    find('');
  }

  $('find').addEventListener('input', () => find($('find').value));
  $('find').addEventListener('keydown', (event) => {
    const first = $('found').querySelector('button');
    if (event.key === 'Enter') first?.click();
    else if (event.key === 'ArrowDown') first?.focus();
    else return;
    event.preventDefault();
  });
  $('found').addEventListener('keydown', (event) => {
    const row = document.activeElement.closest('li');
    const to =
      event.key === 'ArrowDown'
        ? row?.nextElementSibling
        : event.key === 'ArrowUp'
          ? row?.previousElementSibling
          : null;
    if (event.key === 'Escape') {
      closeFind();
      $('find').focus();
    } else if (to) to.querySelector('button')?.focus();
    else if (event.key === 'ArrowUp') $('find').focus();
    else return;
    event.preventDefault();
  });
  document.addEventListener('pointerdown', (event) => {
    if (!event.target.closest('.find')) $('found').hidden = true;
  });

  // ---- Tables and findings ------------------------------------------------------------------------------------------

  for (const table of all('table[data-sortable]')) {
    const heads = all('thead th', table);
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = element('button', { type: 'button', textContent: head.textContent });
      head.replaceChildren(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => {
        const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
        const numbers = [...body.rows].every(
          (row) => row.cells[column].dataset.v !== undefined || row.cells[column].textContent === '',
        );
        // Numbers start with the largest, names in alphabetical order.
        const order = head.getAttribute('aria-sort');
        const down = order === 'none' ? numbers : order === 'ascending';
        const compare = numbers
          ? (a, b) => Number(a) - Number(b)
          : (a, b) => a.localeCompare(b, 'en', { numeric: true });
        const rows = [...body.rows].map((row) => [value(row), row]);
        rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
        body.append(...rows.map(([, row]) => row));
        for (const other of heads) other.setAttribute('aria-sort', 'none');
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      });
    });
  }

  for (const input of all('input[data-filter]')) {
    const rows = [...$(input.dataset.filter).tBodies[0].rows];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const output = input.parentElement.querySelector('output');
    input.addEventListener('input', () => {
      const wanted = input.value.trim().toLowerCase();
      let count = 0;
      rows.forEach((row, i) => {
        row.hidden = !texts[i].includes(wanted);
        count += row.hidden ? 0 : 1;
      });
      output.textContent = wanted ? `${count} of ${rows.length}` : '';
    });
  }

  if ($('finding-tools')) {
    const rows = all('#finding-list > li');
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const buttons = all('#finding-tools button');
    const filter = () => {
      const severities = buttons
        .filter((button) => button.getAttribute('aria-pressed') === 'true')
        .map((button) => button.dataset.severity);
      const code = $('finding-code').value,
        wanted = $('finding-text').value.trim().toLowerCase();
      let count = 0;
      rows.forEach((row, i) => {
        row.hidden =
          !severities.includes(row.dataset.severity) ||
          (code !== '' && row.dataset.code !== code) ||
          !texts[i].includes(wanted);
        count += row.hidden ? 0 : 1;
      });
      $('finding-count').textContent = count === rows.length ? '' : `${count} of ${rows.length}`;
    };
    for (const button of buttons) {
      button.addEventListener('click', () => {
        button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
        filter();
      });
    }
    for (const link of all('a[data-severity]')) {
      link.addEventListener('click', () => {
        for (const button of buttons)
          button.setAttribute('aria-pressed', String(button.dataset.severity === link.dataset.severity));
        filter();
      });
    }
    $('finding-code').addEventListener('change', filter);
    $('finding-text').addEventListener('input', filter);
  }

  /** The thing that a name in a table stands for, if the page knows it. */
  function meant(name) {
    const text = name.textContent;
    if (name.dataset.go !== undefined) return name.dataset.go;
    if (name.dataset.package !== undefined) return `pkg:${text}`;
    if (name.dataset.path !== undefined) return `/opt/${text}`;
    return boxOf.has(`/opt/${text}`) ? `/opt/${text}` : text;
  }

  for (const name of all('.name.go')) {
    const button = element('button', { type: 'button', className: 'go', textContent: name.textContent });
    if (name.dataset.rule !== undefined) {
      const box = maps.pruned.name.indexOf(name.dataset.rule, 1);
      if (box < 0) continue;
      button.addEventListener('click', () => {
        goToBox(maps.pruned, box);
        $('map-section').scrollIntoView();
        $('what').focus({ preventScroll: true });
      });
    } else {
      const thing = meant(name);
      if (!boxOf.has(thing) && !numberOf.has(thing)) continue;
      button.addEventListener('click', () => go(thing));
    }
    name.replaceWith(button);
  }

  // ---- Theme and start ----------------------------------------------------------------------------------------------

  const THEMES = ['system', 'light', 'dark'];
  function setTheme(theme) {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $('theme').textContent = `Theme: ${theme}`;
    readColours();
    draw();
  }
  $('theme').addEventListener('click', () => {
    const now = document.documentElement.dataset.theme ?? 'system';
    setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    readColours();
    draw();
  });

  for (const target of all('.js')) target.hidden = maps.kept.count < 2 && target.id === 'map-section';
  new ResizeObserver(() => {
    const { width, height } = $('map').getBoundingClientRect();
    if (!width) return;
    sides = { w: $('map').clientWidth, h: $('map').clientHeight };
    canvas.width = Math.round(sides.w * (devicePixelRatio || 1));
    canvas.height = Math.round(sides.h * (devicePixelRatio || 1));
    moveFrom(null);
  }).observe($('map'));
  readColours();
  show(maps.kept, state.zoom, thingOf(maps.kept, state.zoom) ?? null, { remember: false, announce: false });
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
