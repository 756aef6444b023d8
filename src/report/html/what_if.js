// What is computed in the page, without the document: the files, where the boxes of the map are, and what a plan with other
// options would keep. That is decided as layerfit itself decides: by the rules with the guard (src/prune/mod.rs), then by trial
// deletion (src/prune/retention.rs), on the same graph. So the bytes are those of `layerfit plan` with these options.

/** Numbers in runs, each with how many times it comes, as one number for each file. */
function fromRuns(runs, count) {
  const out = new Int32Array(count);
  for (let i = 0, at = 0; i < runs.length; i += 2) out.fill(runs[i], at, (at += runs[i + 1]));
  return out;
}

/** The files of the page, sorted by path. A line has how much of the name before it comes again, and the rest. */
function readFiles(data) {
  const count = data.unzipped.length;
  let before = '';
  const name = data.names.split('\n', count).map((line) => {
    before = before.slice(0, line.charCodeAt(0) - 32) + line.slice(1);
    return before;
  });
  const state = fromRuns(data.state, count);
  const of = (part) => Int32Array.from(state, (number) => data.states[number][part]);
  return {
    count,
    name,
    group: fromRuns(data.group, count),
    /** The layer; -1 for none, -2 and less for the rule that dropped the file. */
    place: of(0),
    set: of(1),
    flags: of(2),
    zipped: Float64Array.from(data.measured ? data.zipped : data.unzipped.map(() => 0)),
    unzipped: Float64Array.from(data.unzipped),
  };
}

/**
 * Divides a rectangle with sides of 1 into parts of these areas, the largest first, each as square as can be in a rectangle
 * `shape` times as wide as high (Bruls, Huizing and van Wijk, "Squarified Treemaps", 2000). Four numbers for each part: its
 * left, top, right and bottom.
 */
function squarify(areas, shape) {
  const edges = new Float64Array(4 * areas.length);
  const sum = areas.reduce((total, area) => total + area, 0);
  const scale = shape / sum;
  let [x, y, w, h] = [0, 0, shape, 1];
  for (let first = 0; first < areas.length; ) {
    // A row along the shorter side, as long as that makes its parts more square.
    const side = Math.max(Math.min(w, h), 1e-12);
    let [end, row, worst] = [first, 0, Infinity];
    while (end < areas.length) {
      const longer = row + areas[end] * scale;
      const square = (longer / side) ** 2;
      const ratio = Math.max((areas[first] * scale) / square, square / (areas[end] * scale));
      if (ratio > worst) break;
      [row, worst] = [longer, ratio];
      end += 1;
    }
    const thick = end === areas.length ? Math.max(w, h) : row / side;
    for (let at = 0; first < end; first++) {
      const next = first + 1 === end ? side : Math.min(at + (areas[first] * scale * side) / row, side);
      const [a, b] = w >= h ? [x, y + at] : [x + at, y];
      const [c, d] = w >= h ? [x + thick, y + next] : [x + next, y + thick];
      edges.set([a / shape, b, c / shape, d], 4 * first);
      at = next;
    }
    if (w >= h) [x, w] = [x + thick, w - thick];
    else [y, h] = [y + thick, h - thick];
  }
  return edges;
}

/** The neighbours of each node, all in one array. `edges` has two numbers for each edge; `side` is where it starts. */
function neighbours(nodes, edges, side) {
  const starts = new Int32Array(nodes + 1);
  for (let i = side; i < edges.length; i += 2) starts[edges[i] + 1] += 1;
  for (let node = 0; node < nodes; node++) starts[node + 1] += starts[node];
  const all = new Int32Array(edges.length / 2);
  const next = starts.slice();
  for (let i = side; i < edges.length; i += 2) all[next[edges[i]]++] = edges[side ? i - 1 : i + 1];
  return (node) => all.subarray(starts[node], starts[node + 1]);
}

/** What other options would keep; `data.plan` must be there. Nodes are the files, and after them the things that are none. */
function makeWhatIf(data, files) {
  const { plan } = data;
  const { count } = files;
  const [PINNED, LIBRARY, DATA] = [1, 2, 4];
  const [IMPORTS, LINKS_TO] = [1, 3];
  /** What a zip has besides its entries. */
  const ZIP_END = 22;
  const [STANDARD, USED] = [1, 2];

  const nodeOfThing = data.things.map((thing, number) => (typeof thing === 'number' ? thing : count + number));
  const nodeNamed = new Map();
  data.things.forEach((thing, number) => {
    if (typeof thing === 'string') nodeNamed.set(thing, count + number);
  });
  const nodes = count + data.things.length;
  const needs = new Int32Array((data.needs.length / 3) * 2);
  for (let i = 0; i < data.needs.length; i += 3) {
    needs[(i / 3) * 2] = nodeOfThing[data.needs[i]];
    needs[(i / 3) * 2 + 1] = nodeOfThing[data.needs[i + 2]];
  }
  const needed = neighbours(nodes, needs, 0);

  const isDirectory = Uint8Array.from(files.name, (name) => name.endsWith('/'));
  const isLink = new Uint8Array(count);
  const linksTo = new Int32Array(plan.links);
  for (let i = 0; i < linksTo.length; i += 2) isLink[linksTo[i]] = 1;
  const linksOf = neighbours(count, linksTo, 1);
  const targetsOf = neighbours(count, linksTo, 0);
  const folders = [];
  for (let i = 0; i < plan.folders.length; i += 3) {
    const [link, start, end] = plan.folders.slice(i, i + 3);
    folders.push({ link, start, end });
    isLink[link] = 1;
  }
  const packages = plan.packages.map(([unit, entry, flags, ranges]) => {
    return { unit, entry, flags, ranges, node: nodeNamed.get(unit) ?? -1 };
  });
  const packageNamed = new Map(packages.map((item, number) => [item.unit, number]));
  const packageOfNode = new Map(packages.map((item, number) => [item.node, number]));
  /** The package that each file is in; -1 for none. */
  const packageOf = Int32Array.from(files.group, (group) => packageNamed.get(data.groups[group][0]) ?? -1);
  const languages = plan.languages.map((name) => nodeNamed.get(name) ?? -1).filter((node) => node >= 0);
  const used = packages.filter((item) => item.flags & USED && item.node >= 0).map((item) => item.node);

  const isOn = new Uint8Array(data.rules.length);
  for (const rule of plan.on) isOn[rule] = 1;
  const isUnloaded = new Uint8Array(data.rules.length);
  for (const rule of plan.unloaded) isUnloaded[rule] = 1;
  /** Dropped on request: that is not for a rule to decide. */
  const isHidden = Uint8Array.from(files.place, (place) => place < -1 && !isOn[-2 - place]);
  const wasKept = Uint8Array.from(files.place, (place) => place >= -1);
  /** Kept or dropped whatever rules match: so it is in the plan that the page is of. */
  const fixed = new Int8Array(count);

  // ---- Rules and the guard ------------------------------------------------------------------------------------------

  /** The nodes that are reached from these. */
  function reach(roots) {
    const reached = new Uint8Array(nodes);
    const queue = roots.filter((node) => !reached[node] && (reached[node] = 1));
    while (queue.length) {
      for (const to of needed(queue.pop())) {
        if (!reached[to]) {
          reached[to] = 1;
          queue.push(to);
        }
      }
    }
    return reached;
  }

  /** What is kept for its own sake, so that what it needs is kept too. */
  function rootsOf(isKept) {
    const roots = [...languages];
    for (let file = 0; file < count; file++) if (isKept(file) && !isDirectory[file]) roots.push(file);
    for (const { entry, node } of packages) if (node >= 0 && isKept(entry)) roots.push(node);
    return roots;
  }

  /** What is kept when each file is matched by these rules: what something kept needs, with all that the rule matches in its package. */
  function settle(rulesOf) {
    const revoked = new Set();
    const place = (rule, file) =>
      rule * (count + packages.length) + (packageOf[file] >= 0 ? count + packageOf[file] : file);
    for (;;) {
      const kept = new Uint8Array(count);
      for (let file = 0; file < count; file++) {
        kept[file] = isHidden[file] || !rulesOf(file).every((rule) => revoked.has(place(rule, file))) ? 0 : 1;
      }
      const reached = reach([...rootsOf((file) => kept[file]), ...used]);
      const before = revoked.size;
      for (let file = 0; file < count; file++) {
        if (reached[file] && !kept[file] && !isHidden[file]) {
          for (const rule of rulesOf(file)) revoked.add(place(rule, file));
        }
      }
      if (revoked.size === before) return kept;
    }
  }

  /** What is kept with these rules on, and which of them match each file. */
  function decide(on) {
    const every = plan.sets.map((set) => set.filter((rule) => on[rule]));
    const aside = every.map((set) => set.filter((rule) => !isUnloaded[rule]));
    let rulesOf = (file) => every[files.set[file]];
    if (every.some((set, number) => set.length !== aside[number].length)) {
      // Which libraries nothing loads depends on what the other rules keep.
      const first = settle((file) => aside[files.set[file]]);
      const loaded = reach(rootsOf((file) => first[file] && !(files.flags[file] & LIBRARY)));
      rulesOf = (file) =>
        (files.flags[file] & LIBRARY && first[file] && !loaded[file] ? every : aside)[files.set[file]];
    }
    const kept = settle(rulesOf);
    for (const { link, start, end } of folders) {
      if (!kept[link] || files.flags[link] & PINNED) continue;
      let isEmpty = true;
      let any = false;
      for (let file = start; file < end && isEmpty; file++) {
        if (isDirectory[file] || isHidden[file]) continue;
        any = true;
        if (kept[file]) isEmpty = false;
      }
      if (any && isEmpty) kept[link] = 0;
    }
    for (let file = 0; file < count; file++) {
      if (fixed[file] < 0 || (fixed[file] > 0 && rulesOf(file).every((rule) => isOn[rule]))) kept[file] = +(fixed[file] > 0);
    }
    return { kept, rulesOf };
  }
  const base = decide(isOn).kept;
  for (let file = 0; file < count; file++) fixed[file] = wasKept[file] - base[file];

  // ---- Retention: what goes with what is dropped --------------------------------------------------------------------

  /** A function that tells what is removed when files are dropped, for a decision. */
  function makeRetention({ kept, rulesOf }) {
    const [ALWAYS, ANY, ALL] = [0, 1, 2];
    let size = nodes;
    let most = nodes;
    for (let file = 0; file < count; file++) if (kept[file]) most += rulesOf(file).length;
    const keep = new Uint8Array(most);
    const edges = [];
    const describes = new Map();
    for (const { entry, node } of packages) {
      if (node < 0 || !kept[entry]) continue;
      keep[node] = ANY;
      describes.set(entry, node);
      edges.push(entry, node);
    }
    // What the guard kept from a rule in a package is kept or removed as a whole.
    const wholes = new Map();
    const partsOf = new Map();
    const isGuarded = (file) => kept[file] && rulesOf(file).length > 0;
    const isHeld = (file) => files.flags[file] & (LIBRARY | DATA);
    for (let file = 0; file < count; file++) {
      if (!kept[file] || files.flags[file] & PINNED) continue;
      if (isGuarded(file) && packageOf[file] >= 0) {
        keep[file] = ALL;
        const parts = [];
        for (const rule of rulesOf(file)) {
          const key = rule * packages.length + packageOf[file];
          if (!wholes.has(key)) wholes.set(key, size++);
          parts.push(wholes.get(key));
          edges.push(wholes.get(key), file);
        }
        partsOf.set(file, parts);
      } else if (isGuarded(file) || isHeld(file)) keep[file] = ANY;
    }
    for (const whole of wholes.values()) keep[whole] = ANY;
    const isThere = (node) => {
      if (node < count) return kept[node];
      const item = packageOfNode.get(node);
      return item === undefined ? languages.includes(node) : kept[packages[item].entry];
    };
    for (let i = 0; i < needs.length; i += 2) {
      const [from, to] = [needs[i], needs[i + 1]];
      if (keep[to] === ALWAYS || !isThere(from) || !isThere(to)) continue;
      if (keep[to] === ANY) edges.push(from, to);
      else for (const whole of partsOf.get(to)) edges.push(from, whole);
    }
    const keeps = neighbours(size, edges, 0);
    const heldBy = neighbours(size, edges, 1);
    const isHeldBy = (node, holds) =>
      keep[node] === ALWAYS || heldBy(node)[keep[node] === ANY ? 'some' : 'every']((by) => holds(by));

    /** Whether a node holds what it needs: it is kept for its own sake, or something alive holds it. */
    function findAlive() {
      const alive = new Uint8Array(size);
      const queue = [];
      for (let node = 0; node < size; node++) {
        if (keep[node] === ALWAYS && (node >= count || kept[node])) {
          alive[node] = 1;
          queue.push(node);
        }
      }
      while (queue.length) {
        for (const to of keeps(queue.pop())) {
          if (!alive[to] && isHeldBy(to, (by) => alive[by])) {
            alive[to] = 1;
            queue.push(to);
          }
        }
      }
      return alive;
    }
    let alive = findAlive();
    // What is only held, and by nothing, is kept all the same.
    for (let file = 0; file < count; file++) {
      if (kept[file] && isHeld(file) && !isLink[file] && !isGuarded(file) && !alive[file]) keep[file] = ALWAYS;
    }
    alive = findAlive();

    return (wanted) => {
      const [REMOVED, SUSPECT, CLEARED] = [1, 2, 3];
      const state = new Uint8Array(size);
      const touched = [];
      const set = (node, value) => {
        if (!state[node]) touched.push(node);
        state[node] = value;
      };
      const remove = (file, into) => {
        const queue = [file];
        while (queue.length) {
          const at = queue.pop();
          if (!kept[at] || files.flags[at] & PINNED || state[at] === REMOVED) continue;
          set(at, REMOVED);
          into.push(at);
          if (describes.has(at)) set(describes.get(at), REMOVED);
          for (const link of linksOf(at)) queue.push(link);
        }
      };
      const dropped = [];
      for (const file of wanted) remove(file, dropped);
      // Trial deletion: all that is reached from what is removed is suspected, and what something else holds is cleared.
      for (let next = 0; next < touched.length; next++) {
        for (const to of keeps(touched[next])) {
          if (alive[to] && keep[to] !== ALWAYS && !state[to]) set(to, SUSPECT);
        }
      }
      const suspects = touched.filter((node) => state[node] === SUSPECT);
      const queue = [...suspects];
      const stays = (by) => (state[by] ? state[by] === CLEARED : alive[by]);
      while (queue.length) {
        const node = queue.pop();
        if (state[node] === SUSPECT && isHeldBy(node, stays)) {
          state[node] = CLEARED;
          for (const to of keeps(node)) queue.push(to);
        }
      }
      const others = [];
      const lost = suspects.filter((node) => node < count && state[node] === SUSPECT && (isHeld(node) || isGuarded(node)));
      for (const file of lost) remove(file, others);
      // Links to directories of which nothing is left, and the links to those.
      for (let before = -1; before !== others.length; ) {
        before = others.length;
        for (const { link, start, end } of folders) {
          let [packed, left] = [0, 0];
          for (let file = start; file < end && !left; file++) {
            packed += kept[file];
            if (kept[file] && state[file] !== REMOVED) left += 1;
          }
          if (packed && !left) remove(link, others);
        }
      }
      return { dropped, withIt: others };
    };
  }

  // ---- Layers -------------------------------------------------------------------------------------------------------

  /**
   * How many layers these files need: at least and at most. A bound from the sums and from what is larger than half of a
   * layer, and the best of two simple ways to fill layers.
   */
  function layersOf(kept, zipped, unzipped) {
    const [room, all] = [plan.limits[0] - ZIP_END, plan.limits[1]];
    const units = new Map();
    for (let file = 0; file < count; file++) {
      if (!kept[file]) continue;
      const unit = units.get(files.group[file]) ?? { z: 0, u: 0, files: [] };
      unit.z += zipped[file];
      unit.u += unzipped[file];
      unit.files.push(file);
      units.set(files.group[file], unit);
    }
    const items = [];
    for (const unit of units.values()) {
      if (unit.z <= room && unit.u <= all) items.push(unit);
      else {
        for (const file of unit.files) {
          if (zipped[file] <= room && unzipped[file] <= all) items.push({ z: zipped[file], u: unzipped[file] });
        }
      }
    }
    const sum = (of) => items.reduce((total, item) => total + item[of], 0);
    const total = { z: sum('z'), u: sum('u') };
    const larger = (of, half) => items.filter((item) => item[of] > half).length;
    const least = Math.max(
      items.length ? 1 : 0,
      ...[['z', room], ['u', all]].map(([of, most]) => Math.max(Math.ceil(total[of] / most), larger(of, most / 2))),
    );
    items.sort((a, b) => b.z - a.z || b.u - a.u);
    const fill = (better) => {
      const bins = [];
      for (const item of items) {
        const fitting = bins.filter((bin) => bin.z + item.z <= room && bin.u + item.u <= all);
        let bin = fitting.length ? fitting.reduce((a, b) => (better(b, a) ? b : a)) : null;
        if (!bin) bins.push((bin = { z: 0, u: 0 }));
        bin.z += item.z;
        bin.u += item.u;
      }
      return bins.length;
    };
    const most = Math.min(
      fill(() => false),
      fill((a, b) => a.z > b.z),
    );
    return { least, most, total };
  }

  // ---- What is asked ------------------------------------------------------------------------------------------------

  let last = null;
  function retention(on) {
    const key = on.join('');
    if (last?.key !== key) {
      const decision = decide(on);
      last = { key, decision, removal: makeRetention(decision) };
    }
    return last;
  }

  /** The files that `--drop` with a name drops: of a package, of any other unit, or one file with the links to it. */
  function filesNamed(name) {
    const item = packageNamed.get(name);
    if (item !== undefined) {
      const found = [];
      const { ranges } = packages[item];
      for (let i = 0; i < ranges.length; i += 2) for (let file = ranges[i]; file < ranges[i + 1]; file++) found.push(file);
      return found;
    }
    const units = data.groups.flatMap(([unit], number) => (unit === name ? [number] : []));
    const found = [];
    for (let file = 0; file < count; file++) if (units.includes(files.group[file])) found.push(file);
    if (found.length) return found;
    const file = files.name.indexOf(name);
    if (file < 0) {
      // A directory.
      for (let at = 0; at < count; at++) if (files.name[at].startsWith(`${name}/`)) found.push(at);
      return found;
    }
    if (!(files.flags[file] & LIBRARY)) return [file];
    const target = isLink[file] ? ([...targetsOf(file)].find((to) => !isLink[to]) ?? file) : file;
    return [target, ...[...linksOf(target)].filter((link) => files.flags[link] & LIBRARY)];
  }

  /**
   * What a plan would keep with other options: `ask.drop` are names, `ask.select` and `ask.ignore` rules by number, and
   * `ask.steps` steps that change the form of files.
   */
  function planWith(ask) {
    const on = isOn.slice();
    for (const rule of ask.select) on[rule] = 1;
    for (const rule of ask.ignore) on[rule] = 0;
    const { decision, removal } = retention(on);
    const { dropped, withIt } = removal(ask.drop.flatMap(filesNamed));
    const kept = decision.kept.slice();
    for (const file of [...dropped, ...withIt]) kept[file] = 0;

    const notes = new Set();
    const isAsked = ask.drop.length + ask.select.length + ask.ignore.length + ask.steps.length > 0;
    const zipped = files.zipped.slice();
    const unzipped = files.unzipped.slice();
    if (isAsked) for (let i = 0; i < plan.harder.length; i += 2) zipped[plan.harder[i]] = plan.harder[i + 1];
    let [more, moreUnzipped] = [0, 0];
    for (const number of ask.steps) {
      const step = plan.steps[number];
      for (let i = 0; i < step.forms.length; i += 3) {
        zipped[step.forms[i]] = step.forms[i + 1];
        unzipped[step.forms[i]] = step.forms[i + 2];
      }
      if (!step.exact) {
        more -= step.zipped ?? 0;
        moreUnzipped -= step.unzipped;
        notes.add('estimated');
      } else if (step.key === 'repack-rdb' && ask.drop.length + ask.select.length + ask.ignore.length + ask.steps.length > 1) {
        notes.add('room');
      }
    }
    if (isAsked && plan.reservations[1]) notes.add('room');
    if (ask.drop.some((name) => packageNamed.has(name)) && plan.reservations[2]) notes.add('handlers');
    const isBack = (file) => kept[file] && !wasKept[file];
    for (let file = 0; file < count; file++) if (isBack(file)) notes.add(data.weighed ? 'back' : 'not weighed');

    let filesKept = 0;
    let keptUnzipped = 0;
    for (let file = 0; file < count; file++) {
      if (!kept[file]) continue;
      if (!isDirectory[file]) filesKept += 1;
      keptUnzipped += unzipped[file];
    }
    const layers = layersOf(kept, zipped, unzipped);
    layers.exact = layers.least === layers.most && !plan.reservations[0];
    if (!isAsked) {
      layers.least = layers.most = data.layers.length;
      layers.exact = true;
    }
    const sum = layers.total.z + layers.most * ZIP_END + more;
    if (isAsked && plan.reservations[3] && layers.most > 1) {
      // src/pack/mod.rs, saves_a_layer.
      const wanted = sum - ZIP_END - (layers.most - 1) * plan.limits[0];
      if (wanted > 0 && 8 * wanted <= sum) notes.add('harder');
    }
    return {
      kept,
      isBack,
      removed: Array.from(wasKept.keys()).filter((file) => wasKept[file] && !kept[file]),
      named: new Set(dropped),
      files: filesKept,
      zipped: sum,
      unzipped: keptUnzipped + moreUnzipped,
      layers,
      notes,
      tooLarge: kept.some((is, file) => is && (zipped[file] > plan.limits[0] - ZIP_END || unzipped[file] > plan.limits[1])),
      isExact: notes.size === 0 && layers.exact,
    };
  }

  /** The packages that need these, directly: the positions of those that stay, each with what it would miss. */
  function broken(kept) {
    const found = new Map();
    for (let i = 0; i < data.needs.length; i += 3) {
      const [from, to] = [nodeOfThing[data.needs[i]], nodeOfThing[data.needs[i + 2]]];
      const how = data.needs[i + 1];
      if (how === LINKS_TO) continue;
      const fileOf = (node) => (node < count ? node : (packages[packageOfNode.get(node)]?.entry ?? -1));
      const [by, of] = [fileOf(from), fileOf(to)];
      const stays = languages.includes(from) || (by >= 0 && wasKept[by] && kept[by]);
      if (!stays || of < 0 || !wasKept[of] || kept[of]) continue;
      // Another copy of a package is as good.
      if (how === IMPORTS) {
        const label = (node) => data.groups[files.group[fileOf(node)]][1];
        const copies = [...needed(from)].filter((other) => packageOfNode.has(other) && label(other) === label(to));
        if (copies.some((copy) => kept[fileOf(copy)])) continue;
      }
      const key = data.needs[i];
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(data.needs[i + 2]);
    }
    return found;
  }

  /** The packages that only these need: by trial deletion, as src/plan/unneeded.rs does. */
  function onlyFor(names) {
    const chosen = new Set(names.map((name) => packageNamed.get(name)).filter((item) => item !== undefined));
    const holders = packages.map(() => new Set());
    const held = packages.map(() => new Set());
    const owner = (node) => (node < count ? packageOf[node] : (packageOfNode.get(node) ?? -1));
    for (let i = 0; i < data.needs.length; i += 3) {
      if (data.needs[i + 1] === LINKS_TO) continue;
      const [from, to] = [nodeOfThing[data.needs[i]], nodeOfThing[data.needs[i + 2]]];
      const needy = owner(to);
      const by = owner(from);
      if (needy < 0 || by === needy) continue;
      if (from < count ? !wasKept[from] : by >= 0 && !wasKept[packages[by].entry]) continue;
      holders[needy].add(by);
      if (by >= 0) held[by].add(needy);
    }
    const isPinned = (ranges) => {
      for (let i = 0; i < ranges.length; i += 2) {
        for (let file = ranges[i]; file < ranges[i + 1]; file++) if (files.flags[file] & PINNED) return true;
      }
      return false;
    };
    const canGo = ({ entry, flags, ranges }) => wasKept[entry] && !(flags & STANDARD) && !isPinned(ranges);
    const set = new Set(chosen);
    const queue = [...chosen];
    while (queue.length) {
      for (const to of held[queue.pop()]) {
        if (canGo(packages[to]) && !set.has(to)) {
          set.add(to);
          queue.push(to);
        }
      }
    }
    for (let before = -1; before !== set.size; ) {
      before = set.size;
      for (const item of set) {
        if (!chosen.has(item) && [...holders[item]].some((by) => by < 0 || !set.has(by))) set.delete(item);
      }
    }
    return [...set].filter((item) => !chosen.has(item)).map((item) => packages[item].unit);
  }

  return { planWith, broken, onlyFor, filesNamed, packageNamed, wasKept };
}
