// The interactive parts of the page of a report: next steps, packages and rules that can be ticked, the map, and the details
// beside it.
// Text from the tree is only inserted as text (textContent), never as markup.
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

  const files = readFiles(data);
  const isDropped = (file) => files.place[file] < -1;
  const ofGroup = {
    of: (file) => files.group[file],
    box: (group) => ({ name: data.groups[group][1], kind: data.kinds[data.groups[group][3]][1], group }),
  };
  const ofKind = {
    of: (file) => data.groups[files.group[file]][3],
    box: (kind) => ({ name: data.kinds[kind][0], kind: data.kinds[kind][1] }),
  };
  const ofLayer = {
    of: (file) => (files.place[file] < 0 ? data.layers.length : files.place[file]),
    box: (layer) => ({ name: data.layers[layer] ?? 'in no layer' }),
  };
  const ofRule = { of: (file) => -2 - files.place[file], box: (rule) => ({ name: data.rules[rule] }) };

  /** A map of these files, in boxes by these levels, each level in the order of its numbers. */
  function makeMap(title, name, measured, chosen, levels) {
    const map = { title, measured, name: [], kind: [], group: [], file: [], depth: [], parent: [], end: [] };
    const add = (box, parent, depth, within) => {
      const at = map.name.length;
      map.name.push(box.name);
      map.kind.push(box.kind ?? -1);
      map.group.push(box.group ?? -1);
      map.file.push(-1);
      map.depth.push(depth);
      map.parent.push(parent);
      map.end.push(at + 1);
      if (depth < levels.length) {
        const parts = new Map();
        for (const file of within) {
          const key = levels[depth].of(file);
          if (!parts.has(key)) parts.set(key, []);
          parts.get(key).push(file);
        }
        for (const key of [...parts.keys()].sort((a, b) => a - b)) {
          add(levels[depth].box(key), at, depth + 1, parts.get(key));
        }
      } else {
        const below = data.groups[box.group][2].length;
        for (const file of within) {
          map.name.push(below ? files.name[file].slice(below + 1) : files.name[file]);
          map.kind.push(map.kind[at]);
          map.group.push(-1);
          map.file.push(file);
          map.depth.push(depth + 1);
          map.parent.push(at);
          map.end.push(map.end.length + 1);
        }
      }
      map.end[at] = map.name.length;
    };
    add({ name }, -1, 0, chosen);
    map.count = map.name.length;
    for (const part of ['zipped', 'unzipped', 'files']) map[part] = new Float64Array(map.count);
    for (let i = map.count - 1; i >= 0; i--) {
      const file = map.file[i];
      if (file >= 0) {
        [map.zipped[i], map.unzipped[i]] = [files.zipped[file], files.unzipped[file]];
        // Empty directories are packed, but are not files.
        map.files[i] = files.name[file].endsWith('/') ? 0 : 1;
      }
      if (i > 0) for (const part of ['zipped', 'unzipped', 'files']) map[part][map.parent[i]] += map[part][i];
    }
    weigh(map, measured);
    return map;
  }

  /** Sets what the areas of a map are: bytes in zips, or unzipped. Boxes have no place until they are shown. */
  function weigh(map, zipped) {
    map.weight = zipped && map.measured ? map.zipped : map.unzipped;
    map.edges = new Float64Array(4 * map.count);
    map.edges.set([0, 0, 1, 1]);
    map.shape = new Float64Array(map.count);
    map.shape[0] = 1.5;
    map.children = new Map();
  }

  const everyFile = [...files.place.keys()];
  const maps = {
    kept: makeMap(
      'Kept',
      'Kept files',
      data.measured,
      everyFile.filter((file) => !isDropped(file)),
      data.measured ? [ofLayer, ofKind, ofGroup] : [ofKind, ofGroup],
    ),
    pruned: makeMap('Pruned', 'Pruned files', data.weighed, everyFile.filter(isDropped), [ofRule, ofGroup]),
  };
  const isFile = (map, i) => map.file[i] >= 0;

  /** The boxes in a box, the largest first, with their places in it. */
  function childrenOf(map, i) {
    const known = map.children.get(i);
    if (known) return known;
    const children = [];
    for (let child = i + 1; child < map.end[i]; child = map.end[child]) children.push(child);
    const { weight, name } = map;
    children.sort((a, b) => weight[b] - weight[a] || (name[a] < name[b] ? -1 : 1));
    map.children.set(i, children);
    if (i > 0) childrenOf(map, map.parent[i]);
    // Even an empty file should be visible.
    const areas = children.map((child) => Math.max(weight[child], 1));
    const edges = squarify(areas, map.shape[i]);
    children.forEach((child, at) => {
      const [left, top, right, bottom] = edges.subarray(4 * at, 4 * at + 4);
      map.edges.set([left, top, right, bottom], 4 * child);
      // A side of length 0 would make the boxes in it disappear.
      map.shape[child] = (map.shape[i] * Math.max(right - left, 1e-6)) / Math.max(bottom - top, 1e-6);
    });
    return children;
  }

  /** Left, top, right and bottom of a box, in shares of its parent's sides. */
  function edgesOf(map, i) {
    if (i > 0) childrenOf(map, map.parent[i]);
    return map.edges.subarray(4 * i, 4 * i + 4);
  }

  const pathOf = (map, i) => files.name[map.file[i]];
  /** What stands for a box in the dependencies: a file by its number, a group by its unit's name; none for other boxes. */
  const thingOf = (map, i) => (isFile(map, i) ? map.file[i] : data.groups[map.group[i]]?.[0]);

  /** The first box of each thing; kept ones before pruned ones. */
  const boxOf = new Map();
  for (const map of [maps.kept, maps.pruned]) {
    for (let i = 1; i < map.count; i++) {
      const thing = thingOf(map, i);
      if (thing !== undefined && !boxOf.has(thing)) boxOf.set(thing, [map, i]);
    }
  }
  const fileNamed = new Map(files.name.map((name, file) => [name, file]));

  // ---- Dependencies -------------------------------------------------------------------------------------------------

  const numberOf = new Map(data.things.map((thing, i) => [thing, i]));
  const CONTAINS = 4;
  const VERBS = {
    needs: ['loads', 'imports', 'runs', 'links to', 'reads', 'opens', 'does not find'],
    users: ['loads it', 'imports it', 'runs it', 'links to it', 'reads it', 'opens it', 'does not find it'],
  };
  /** The order of the list: imports first. */
  const RANK = [1, 0, 2, 3, 4, 5, 6];
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
    if (typeof thing === 'string' && thing.startsWith('missing:')) {
      return { name: thing.slice(8), what: 'a missing library', mark: 'missing' };
    }
    const box = boxOf.get(thing);
    if (Object.hasOwn(data.languages, thing)) {
      return { name: data.languages[thing], what: `a session of ${data.languages[thing]}` };
    }
    if (!box) return { name: String(thing), what: 'of the image', mark: 'image' };
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
    if (remember && thing !== null) {
      const name = typeof thing === 'number' ? `/opt/${files.name[thing]}` : thing;
      window.history.replaceState(null, '', `#show=${encodeURIComponent(name)}`);
    }
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
    const [left, top, right, bottom] = edgesOf(map, i);
    return {
      x: within.x + left * within.w,
      y: within.y + top * within.h,
      w: (right - left) * within.w,
      h: (bottom - top) * within.h,
    };
  };

  /** The inverse: the rectangle of the parent of a box at `rect`. */
  const parentAt = (map, rect, i) => {
    const [left, top, right, bottom] = edgesOf(map, i);
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
        pen.fillStyle = map.group[i] >= 0 ? colours.group : colours.several;
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
      if (focus < 0) focusOn(childrenOf(map, zoom)[0]);
      else if (isFile(map, focus)) show(map, focus, thingOf(map, focus));
      else {
        goToBox(map, focus);
        focusOn(childrenOf(map, state.zoom)[0], false);
      }
    } else if (event.key === 'Escape' || event.key === 'Backspace') {
      if (!zoomOut()) return;
    } else if (event.key === 'Home') focusOn(childrenOf(map, zoom)[0]);
    else return;
    event.preventDefault();
  });

  function focusOn(box, announce = true) {
    const { map, zoom } = state;
    if (box === undefined || box >= map.end[zoom] || box <= zoom) return;
    state.focus = box;
    draw();
    const boxes = childrenOf(map, zoom);
    if (announce) {
      const place = `${boxes.indexOf(box) + 1} of ${boxes.length} in ${map.name[zoom]}`;
      say(`${isFile(map, box) ? pathOf(map, box) : map.name[box]}, ${size(map.weight[box])}, ${place}`);
    }
  }

  /** The nearest box in a direction from the focused one, preferring one straight ahead. */
  function neighbour(dx, dy) {
    const { map, zoom, focus } = state;
    if (focus < 0) return childrenOf(map, zoom)[0];
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
      if (thing !== null && map === maps.kept) renderDrop(list, file ? pathOf(map, box) : thing);
      if (thing !== null && !file) renderElsewhere(list, thing, map, box);
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

  /** The boxes of a unit. */
  const groupsNamed = (map, unit) =>
    map.group.flatMap((group, i) => (group >= 0 && data.groups[group][0] === unit ? [i] : []));

  /** The other parts of a unit: in other layers, or pruned. */
  function renderElsewhere(list, unit, here, box) {
    for (const map of [maps.kept, maps.pruned]) {
      const boxes = groupsNamed(map, unit).filter((i) => !(map === here && i === box));
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

  /** What a rule drops and why that is safe, as in the table of rules. */
  function renderRule(rule, named, list) {
    if (named) fact(list, 'Pruned by', rule);
    const row = all('#table-rules tbody tr').find((row) => row.dataset.rule === rule);
    if (row) $('why').append(...all('.text p', row).map((text) => text.cloneNode(true)));
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
      for (const group of groupsNamed(map, thing)) {
        for (let i = group + 1; i < map.end[group]; i++) {
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
    if (thing === null) return;
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
    const boxes = childrenOf(map, box);
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
    button.disabled = map.count < 2;
    button.addEventListener('click', () => show(map, topOf(map), null));
  }

  function nameSwitch() {
    for (const [id, map] of [
      ['show-kept', maps.kept],
      ['show-pruned', maps.pruned],
    ]) {
      $(id).textContent = `${map.title} ${size(map.weight[0])}`;
    }
  }
  nameSwitch();

  for (const [id, zipped] of [
    ['weigh-zipped', true],
    ['weigh-unzipped', false],
  ]) {
    $(id)?.addEventListener('click', () => {
      for (const map of [maps.kept, maps.pruned]) weigh(map, zipped);
      $('weigh-zipped').setAttribute('aria-pressed', String(zipped));
      $('weigh-unzipped').setAttribute('aria-pressed', String(!zipped));
      nameSwitch();
      moveFrom(null);
      renderPanel();
    });
  }

  // ---- Ticking: what would be left ----------------------------------------------------------------------------------

  const whatIf = data.plan && files.count ? makeWhatIf(data, files) : null;
  /** What is ticked: `drop NAME`, `select NUMBER` and `ignore NUMBER` of a rule, `step NUMBER`. */
  const ticked = new Set();
  let tickBoxes = [];
  const ruleNumber = (name) => data.rules.findIndex((rule) => rule.split(' ').includes(name));
  /** Whether a name can be given on a command line: none with escaped characters, or with what separates names. */
  const canBeNamed = (name) => !/[\\,'"\p{C}\p{Zl}\p{Zp}]|^-/u.test(name);

  /** What ticking a step ticks; nothing for a step that needs more than a tick. */
  function keysOfStep(number) {
    const { key, values } = data.plan.steps[number];
    if (key === 'drop') return values.map((name) => `drop ${name}`);
    if (key === 'select') return values.map((name) => `select ${ruleNumber(name)}`);
    return key ? [`step ${number}`] : [];
  }

  /** A box that ticks these; `isOn` boxes are ticked while they are not. */
  function tickBox(keys, label, isOn = false) {
    const box = element('input', { type: 'checkbox', className: 'tick', title: label });
    box.setAttribute('aria-label', label);
    box.checked = keys.every((key) => ticked.has(key)) !== isOn;
    box.addEventListener('change', () => tick(keys, box.checked !== isOn));
    tickBoxes.push({ box, keys, isOn });
    return box;
  }

  function tick(keys, on) {
    for (const key of keys) ticked[on ? 'add' : 'delete'](key);
    renderLeft();
  }

  /** What is ticked, for the computation. */
  function asked() {
    const of = (kind) => [...ticked].flatMap((key) => (key.startsWith(`${kind} `) ? [key.slice(kind.length + 1)] : []));
    return {
      drop: of('drop'),
      select: of('select').map(Number),
      ignore: of('ignore').map(Number),
      steps: of('step').map(Number),
    };
  }

  const NOTES = {
    estimated: '~: a step is estimated in this report; `layerfit plan` measures it.',
    room: '~: how databases are stored depends on the room that is left; alone, --repack-rdb is exact.',
    handlers: 'More may go: what only a dropped package needs is not used by the handlers either.',
    harder: 'It may be less: files are compressed harder where that saves a layer.',
    'not weighed':
      'What pruned files add to zips is not known: a report made with --weigh-pruned has it. Their unzipped bytes are those of the tree.',
    back: '~: pruned files were weighed as they are in the tree.',
  };
  const QUALIFIERS = { 'not weighed': 'at least ', handlers: 'up to ', harder: 'up to ', estimated: '~', room: '~', back: '~' };

  const quoted = (text) => (/^[\w.,/:@%+=-]+$/.test(text) ? text : `'${text}'`);
  const inToml = (list) => `[${list.map((text) => JSON.stringify(text)).join(', ')}]`;

  /** The options for what is ticked: those of the command line, and the lines of layerfit.toml. */
  function optionsOf(ask) {
    const [code, name] = [0, 1].map((part) => (rule) => data.rules[rule].split(' ')[part]);
    const steps = ask.steps.map((number) => data.plan.steps[number]);
    const lists = [
      ['drop', ask.drop],
      ['select', ask.select.map(name)],
      ['ignore', ask.ignore.map(code)],
    ].filter(([, list]) => list.length);
    return {
      // Each option with its value stays in one line.
      command: [
        'layerfit plan',
        quoted(data.plan.root),
        ...lists.map(([option, list]) => `--${option} ${quoted(list.join(','))}`),
        ...steps.map(({ key, values }) => [`--${key}`, ...values].join(' ')),
      ],
      toml: [
        ...lists.map(([option, list]) => `${option} = ${inToml(list)}`),
        ...steps.map(({ key, values }) => `${key} = ${values.length ? JSON.stringify(values[0]) : 'true'}`),
      ],
    };
  }

  /** Parts of a text with what separates them, and a button that copies it. */
  function copied(id, label, parts, separator) {
    const text = parts.join(separator);
    const spans = parts.map((part, i) => [...(i ? [separator] : []), element('span', { textContent: part })]);
    const code = element('code', { id }, ...spans.flat());
    const button = element('button', { type: 'button', textContent: 'Copy' });
    button.setAttribute('aria-label', `Copy ${label}`);
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        // Without the right to write to the clipboard, what is selected can be copied.
        getSelection().selectAllChildren(code);
        document.execCommand('copy');
      }
      button.textContent = 'Copied';
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 1500);
    });
    return element('div', { className: 'copy' }, code, button);
  }

  /** The bytes that are compared first. */
  const MAIN = data.measured ? 'zipped' : 'unzipped';
  const signedSize = (bytes) => (bytes === 0 ? 'no change' : `${bytes < 0 ? '-' : '+'}${size(Math.abs(bytes))}`);
  const now = whatIf?.planWith({ drop: [], select: [], ignore: [], steps: [] });

  function renderLeft() {
    tickBoxes = tickBoxes.filter(({ box }) => box.isConnected);
    for (const { box, keys, isOn } of tickBoxes) box.checked = keys.every((key) => ticked.has(key)) !== isOn;
    const bar = $('left');
    bar.hidden = !ticked.size;
    document.body.classList.toggle('has-left', !bar.hidden);
    if (!ticked.size) {
      $('left-more').open = false;
      return;
    }
    const ask = asked();
    const then = whatIf.planWith(ask);
    const qualifier = [...then.notes].map((note) => QUALIFIERS[note]).find(Boolean) ?? '';
    const { least, most, exact } = then.layers;
    const layers = exact ? plural(most, 'layer', 'layers') : least === most ? `about ${plural(most, 'layer', 'layers')}` : `${least} to ${most} layers`;
    const [, room, allowed] = data.plan.limits;
    const fits =
      then.unzipped > room || least > allowed || then.tooLarge
        ? 'does not fit'
        : data.measured && most <= allowed
          ? 'fits'
          : 'may fit';

    $('left-count').textContent = plural(ticked.size, 'change', 'changes');
    // Without measurements, bytes are those of the tree, and ELF files can be packed shorter.
    const upTo = !data.measured || then.notes.has('not weighed') ? 'up to ' : '';
    $('left-summary').replaceChildren();
    if (data.measured) {
      const zipped = element('strong', { textContent: `${qualifier}${size(then.zipped)}` });
      $('left-summary').append(zipped, ` zipped (${signedSize(then.zipped - now.zipped)}), `);
    }
    $('left-summary').append(
      `${upTo}${size(then.unzipped)} unzipped (${signedSize(then.unzipped - now.unzipped)})`,
      data.measured ? `, ${layers}` : '',
    );
    const row = (name, before, after, text, change) => {
      const cell = (...content) => element('td', { className: 'n' }, ...content);
      const mark = { Zipped: qualifier, Unzipped: upTo }[name] ?? '';
      const changed = cell(mark, ...[text(after)].flat());
      changed.dataset.v = after;
      const head = element('th', { scope: 'row', textContent: name });
      return element('tr', {}, head, cell(...[text(before)].flat()), changed, cell(change(after - before)));
    };
    const number = (value) => value.toLocaleString('en');
    const change = (value) => (value === 0 ? 'no change' : `${value < 0 ? '-' : '+'}${number(Math.abs(value))}`);
    const exactly = (bytes) => [size(bytes), element('small', { textContent: number(bytes) })];
    const head = ['', 'Now', 'Then', 'Change'].map((text, i) =>
      element('th', { scope: 'col', className: i ? 'n' : '', textContent: text }),
    );
    const count = row('Layers', now.layers.most, most, String, change);
    count.cells[2].textContent = exact ? String(most) : least === most ? `~${most}` : `${least} to ${most}`;
    const table = element(
      'table',
      { id: 'left-table' },
      element('thead', {}, element('tr', {}, ...head)),
      element(
        'tbody',
        {},
        ...(data.measured ? [row('Zipped', now.zipped, then.zipped, exactly, signedSize)] : []),
        row('Unzipped', now.unzipped, then.unzipped, exactly, signedSize),
        ...(data.measured ? [count] : []),
        row('Files', now.files, then.files, number, change),
      ),
    );
    const about = [];
    if (!data.measured) {
      about.push(`It ${fits}: layers can have ${size(room)} unzipped. Nothing was compressed, so layers are not known, and files can be packed shorter than they are in the tree.`);
    } else if (exact && most === 1) {
      about.push(`It ${fits}: the layer uses ${percent(then.zipped, data.plan.limits[0])} of ${size(data.plan.limits[0])}.`);
    } else about.push(`It ${fits}: ${layers}, of ${allowed} that are allowed.`);
    if (!exact && data.measured) about.push('`layerfit plan` shows which layers these are, and exactly how many.');
    for (const note of then.notes) about.push(NOTES[note]);

    const { command, toml } = optionsOf(ask);
    $('left-details').replaceChildren(
      element('div', { className: 'left-columns' },
        element('div', {}, table, ...about.map((text) => element('p', { className: 'small', textContent: text }))),
        element('div', {},
          element('h4', { textContent: 'Ticked' }),
          tickedList(),
          element('h4', { textContent: 'On the command line' }),
          copied('left-command', 'the command', command, ' '),
          element('p', { className: 'small', textContent: 'with the options that this report was made with; pack takes the same' }),
          element('h4', { textContent: 'In layerfit.toml' }),
          copied('left-toml', 'the lines', toml, '\n'),
        ),
        element('div', {}, ...brokenParts(ask, then), ...goneParts(then)),
      ),
    );
    say(`${$('left-count').textContent}: ${$('left-summary').textContent}, ${fits}`);
  }

  function nameOfKey(key) {
    const [kind, ...rest] = key.split(' ');
    const value = rest.join(' ');
    if (kind === 'drop') return `drop ${value}`;
    if (kind === 'step') return data.plan.steps[Number(value)].name;
    return `${kind} ${data.rules[Number(value)]}`;
  }

  function tickedList() {
    const list = element('ul', { className: 'ticked' });
    shorten(list, [...ticked], 12, (key) => {
      const button = element('button', { type: 'button', textContent: '×' });
      button.setAttribute('aria-label', `Untick ${nameOfKey(key)}`);
      button.addEventListener('click', () => tick([key], false));
      return element('li', {}, element('span', { className: 'name', textContent: nameOfKey(key) }), button);
    });
    return list;
  }

  /** A button that ticks these packages as well. */
  function tickMore(names, text) {
    const button = element('button', { type: 'button', textContent: text });
    const keys = names.filter(canBeNamed).map((name) => `drop ${name}`);
    button.addEventListener('click', () => tick(keys, true));
    return button;
  }

  /** What stays and needs something that goes, and the packages that only what is ticked needs. */
  function brokenParts(ask, then) {
    const parts = [];
    const misses = [...whatIf.broken(then.kept)];
    if (misses.length) {
      const list = element('ul', { className: 'chips', id: 'left-broken' });
      shorten(list, misses, 6, ([by, of]) => {
        const what = of.slice(0, 3).map((thing) => describe(data.things[thing]).name);
        const more = of.length > what.length ? ` and ${of.length - what.length} more` : '';
        return element('li', {}, ...thingButton(data.things[by]), ` needs ${what.join(', ')}${more}`);
      });
      parts.push(element('h4', { textContent: `Would miss something (${misses.length})` }), list);
      const named = misses.map(([by]) => data.things[by]).filter((thing) => whatIf.packageNamed.has(thing));
      if (named.length) parts.push(tickMore(named, `Drop ${plural(named.length, 'package that needs it', 'packages that need it')} too`));
    }
    const only = whatIf.onlyFor(ask.drop);
    if (only.length) {
      const freed = then[MAIN] - whatIf.planWith({ ...ask, drop: [...ask.drop, ...only] })[MAIN];
      const list = element('ul', { className: 'chips', id: 'left-only' });
      shorten(list, only, 6, (name) => element('li', {}, ...thingButton(name)));
      parts.push(
        element('h4', { textContent: `Only what is ticked needs (${only.length})` }),
        list,
        tickMore(only, `Drop ${only.length === 1 ? 'it' : 'them'} too: ${signedSize(-freed)} ${MAIN}`),
      );
    }
    return parts;
  }

  /** What goes, by unit, the largest first; what comes back too. */
  function goneParts(then) {
    const parts = [];
    const back = then.kept.reduce((sum, _, file) => sum + (then.isBack(file) ? 1 : 0), 0);
    if (back) parts.push(element('p', { className: 'small', textContent: `${plural(back, 'pruned file', 'pruned files')} would be kept.` }));
    const units = new Map();
    for (const file of then.removed) {
      const unit = units.get(files.group[file]) ?? { group: files.group[file], files: 0, bytes: 0 };
      unit.files += 1;
      unit.bytes += files[MAIN][file];
      units.set(files.group[file], unit);
    }
    if (!units.size) return parts;
    const list = element('ul', { className: 'contents', id: 'left-gone' });
    const rows = [...units.values()].sort((a, b) => b.bytes - a.bytes);
    shorten(list, rows, 8, ({ group, files: count, bytes }) => {
      const figures = element('span', { className: 'n', textContent: `${plural(count, 'file', 'files')}, ${size(bytes)}` });
      const button = element('button', { type: 'button', className: 'go', textContent: data.groups[group][1] });
      button.addEventListener('click', () => go(data.groups[group][0]));
      return element('li', {}, button, figures);
    });
    parts.push(element('h4', { textContent: `What goes (${plural(then.removed.length, 'file', 'files')})` }), list);
    return parts;
  }

  /** Beside the map: what dropping this alone frees, and a box to tick. */
  function renderDrop(list, name) {
    if (!whatIf || !canBeNamed(name)) return;
    const then = whatIf.planWith({ drop: [name], select: [], ignore: [], steps: [] });
    const others = then.removed.length - then.named.size;
    const frees = `${size(now[MAIN] - then[MAIN])} ${MAIN}${others ? `, with ${plural(others, 'other file', 'other files')}` : ''}`;
    if (!then.removed.length) return;
    const label = element('label', {}, tickBox([`drop ${name}`], `Drop ${name}`), ' Drop it');
    fact(list, 'Frees', frees, element('br'), label);
  }

  // The first steps matter most, and the map should not be far below.
  const STEPS = 6;
  const further = all('#table-steps tbody tr').slice(STEPS);
  if (further.length > 1) {
    for (const row of further) row.hidden = true;
    const button = element('button', { type: 'button', textContent: `Show ${further.length} more steps` });
    button.addEventListener('click', () => {
      for (const row of further) row.hidden = false;
      button.remove();
      further[0].querySelector('input')?.focus();
    });
    $('table-steps').parentElement.after(element('p', { className: 'further' }, button));
  }

  if (whatIf) {
    for (const row of all('#table-steps tbody tr')) {
      const keys = keysOfStep(Number(row.dataset.step));
      if (keys.length) row.cells[0].prepend(tickBox(keys, `Tick ${data.plan.steps[Number(row.dataset.step)].name}`));
    }
    for (const name of all('#table-packages tbody tr:not(.dropped) th [data-go], #table-units th [data-go]')) {
      if (canBeNamed(name.dataset.go)) name.before(tickBox([`drop ${name.dataset.go}`], `Drop ${name.dataset.go}`));
    }
    for (const row of all('#table-rules tbody tr')) {
      const number = data.rules.indexOf(row.dataset.rule);
      if (data.plan.on.includes(number)) {
        row.cells[0].prepend(tickBox([`ignore ${number}`], `Rule ${row.dataset.rule} is on`, true));
      }
    }
    $('left-clear').addEventListener('click', () => {
      ticked.clear();
      renderLeft();
    });
  }

  // ---- Find ---------------------------------------------------------------------------------------------------------

  /** What can be found: groups and files of both maps, then what is only in dependencies. */
  const findable = [];
  for (const map of [maps.kept, maps.pruned]) {
    for (let i = 1; i < map.count; i++) {
      const name = isFile(map, i) ? pathOf(map, i) : map.name[i];
      const unit = map.group[i] >= 0 ? data.groups[map.group[i]][0] : '';
      const rule = map === maps.pruned && i > 0 ? ancestorAt(map, i, 1) : -1;
      findable.push({
        name,
        // A package is also found by the name that options take.
        low: (unit.startsWith('pkg:') ? `${name}\n${unit}` : name).toLowerCase(),
        note: `${rule >= 0 && rule !== i ? `pruned by ${map.name[rule].split(' ')[0]}, ` : ''}${size(map.weight[i])}`,
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
    const rank = (item) => (item.low === wanted || item.low.endsWith(`\n${wanted}`) ? 0 : item.low.startsWith(wanted) ? 1 : 2) * 1e4 + item.low.length;
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

  // ---- Findings and names in tables ------------------------------------------------------------------------------------------

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

  /** A file by its path in the function, or anything else by its name. */
  const fileOrName = (name) => (name.startsWith('/opt/') ? (fileNamed.get(name.slice(5)) ?? name) : name);

  /** The thing that a name in a table stands for, if the page knows it. */
  function meant(name) {
    const text = name.textContent;
    if (name.dataset.go !== undefined) return fileOrName(name.dataset.go);
    if (name.dataset.package !== undefined) return `pkg:${text}`;
    const path = text.startsWith('/opt/') ? text.slice(5) : text;
    return fileNamed.get(path) ?? text;
  }

  for (const name of all('.name.go')) {
    const button = element('button', { type: 'button', className: 'go', textContent: name.textContent });
    if (name.dataset.rule !== undefined) {
      const box = childrenOf(maps.pruned, 0).find((i) => maps.pruned.name[i] === name.dataset.rule) ?? -1;
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

  // ---- Start ----------------------------------------------------------------------------------------------

  document.addEventListener('themechange', () => {
    readColours();
    draw();
  });

  $('map-section').hidden = maps.kept.count < 2;
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
  /** Shows what the address names. */
  function goToAddress() {
    if (!location.hash.startsWith('#show=')) return;
    let name = '';
    try {
      name = decodeURIComponent(location.hash.slice(6));
    } catch {
      return;
    }
    const thing = fileOrName(name);
    if (boxOf.has(thing) || numberOf.has(thing)) go(thing);
  }
  addEventListener('hashchange', goToAddress);
  goToAddress();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
