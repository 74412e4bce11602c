'use strict';
// The page: a model of the tree, fed by /events; rows, made of the model; and a few elements for the rows in sight.
// What comes from the server goes into the page as text and never as markup.

const $ = (id) => document.getElementById(id);
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const COLLATOR = new Intl.NumberFormat('en');
const count = (n) => COLLATOR.format(n);

// How long an end is shown, by how it was, and how many that have gone are shown at the same time.
const STAYS = { well: 1800, canceled: 7000, expired: 7000 };
const FADES = 900;
const GHOSTS_MAX = 60;
const KEPT_MAX = 200;
// How many children of a node are drawn before the others become one line, and how many more a press adds.
const ROOM = 40;
const PAGE = 200;
const SNAPSHOT_MAX = 12000;

// ---- The model -----------------------------------------------------------------------------------------------------

// id → node: those that live, and for a while those that have gone.
const nodes = new Map();
let root = null;
// What has gone and is still shown, oldest first.
const ghosts = new Set();
let isStale = true; // the rows are not those of the model
let clockSkew = null; // our clock minus the server's
let lastAt = 0; // the server's clock, when it was heard last
let lessonName = null; // what is being played, or was and is still looked at
const pinned = new Set(); // what a lesson named

function added(id, parent, kind, label, age) {
  const now = performance.now();
  const node = {
    id, parent, kind, label, born: now - age, seen: now, due: null, owner: null, state: 'live', cause: null, origin: null,
    receipt: null, children: new Map(), more: 0, done: 0, left: 0, isOpen: true, extra: 0, shown: new Set(), isLesson: false,
    stamp: 0,
  };
  node.isLesson = (parent !== null && parent.isLesson && parent.kind !== 'session') || isOfLesson(node);
  nodes.set(id, node);
  if (!kindsShown.has(kind)) showKind(kind);
  if (parent) parent.children.set(id, node);
  isStale = true;
  return node;
}

function isOfLesson(node) {
  if (pinned.has(node.id)) return true;
  return lessonName !== null && (node.label.includes(`/lesson/${lessonName}`) || (node.kind === 'lesson' && node.label === lessonName));
}

function setDue(node, ms, owner) {
  node.due = ms === null || ms === undefined ? null : performance.now() + ms;
  node.owner = owner ?? null;
}

// Takes a node and what is below it out of the model.
function bury(node) {
  if (node.parent) node.parent.children.delete(node.id);
  const below = [node];
  while (below.length) {
    const it = below.pop();
    nodes.delete(it.id);
    ghosts.delete(it);
    below.push(...it.children.values());
  }
  isStale = true;
}

// A node has left the tree: it is shown a little longer, if there is room for it.
function depart(node) {
  if (node.left) return;
  node.left = performance.now();
  if (node.parent) node.parent.done += 1;
  ghosts.add(node);
  const most = lessonName === null ? GHOSTS_MAX : KEPT_MAX;
  for (const ghost of ghosts) {
    if (ghosts.size <= most) break;
    if (!isKept(ghost)) bury(ghost);
    else if (ghosts.size > KEPT_MAX) bury(ghost);
  }
  isStale = true;
}

// A handle that is dropped while somebody else has the node ends it, with this cause. Where nothing was left below, nothing
// was cut: it is about to go.
const wasLetGo = (node, change) =>
  /^context canceled: dropped; made at /.test(change.cause ?? '') && ![...node.children.values()].some((it) => !it.left && !hasEnded(it));
const isKept = (node) => node.isLesson && lessonName !== null;
const hasEnded = (node) => node.state === 'canceled' || node.state === 'expired';
const staysFor = (node) => (hasEnded(node) ? STAYS[node.state] : STAYS.well);

// Colours a branch from the cut downwards.
function end(node, change) {
  if (wasLetGo(node, change)) return;
  const now = performance.now();
  node.cause = change.cause ?? null;
  node.receipt = change.receipt ?? null;
  const below = [node];
  while (below.length) {
    const it = below.pop();
    if (hasEnded(it) || it.left) continue;
    it.state = change.state;
    it.origin = change.origin ?? node.id;
    it.ended = now;
    for (const child of it.children.values()) if (child.kind !== 'without_cancel') below.push(child);
  }
  isStale = true;
  if (story && story.id === node.id) tellStory(node.id);
}

function drain(node) {
  const below = [node];
  while (below.length) {
    const it = below.pop();
    if (it.state === 'live') it.state = 'draining';
    for (const child of it.children.values()) if (child.kind !== 'without_cancel') below.push(child);
  }
  isStale = true;
}

function apply(change) {
  if (change.new !== undefined) {
    const parent = nodes.get(change.parent);
    // Below what the snapshot left out, nothing is drawn.
    if (!parent || nodes.has(change.new)) return;
    const node = added(change.new, parent, change.kind, change.label, 0);
    setDue(node, change.deadline_ms, change.deadline_owner);
    if (parent.state !== 'live') Object.assign(node, { state: parent.state, origin: parent.origin, ended: performance.now() });
    return;
  }
  const node = nodes.get(change.end ?? change.drain ?? change.gone);
  if (!node) return;
  if (change.end !== undefined) end(node, change);
  else if (change.drain !== undefined) drain(node);
  else depart(node);
}

// A picture of the whole tree takes the place of what is known. `below`: of this node's children only.
function merge(tree, isWhole) {
  const seen = new Set();
  const waiting = [[tree, null]];
  while (waiting.length) {
    const [it, parent] = waiting.pop();
    let node = nodes.get(it.id);
    if (!node) node = added(it.id, parent, it.kind, it.label, it.age_ms);
    if (!parent && isWhole) root = node;
    seen.add(it.id);
    node.label = it.label;
    node.more = it.more ?? 0;
    setDue(node, it.deadline_ms, it.deadline_owner);
    if (hasEnded({ state: it.state }) && !hasEnded(node)) {
      node.ended = performance.now();
      node.origin = parent && hasEnded(parent) ? parent.origin : it.id;
      node.cause = it.cause;
    }
    if (!node.left) node.state = it.state;
    if (it.key && it.key !== it.label) node.label = it.label ? `${it.label} [${it.key}]` : it.key;
    for (let i = it.children.length - 1; i >= 0; i -= 1) waiting.push([it.children[i], node]);
  }
  if (isWhole) for (const node of [...nodes.values()]) if (!seen.has(node.id) && !node.left && nodes.has(node.id)) (isKept(node) ? depart : bury)(node);
  isStale = true;
}

function forget() {
  nodes.clear();
  ghosts.clear();
  pinned.clear();
  root = null;
  isStale = true;
}

// Lets go of what has been shown long enough.
function sweep(now) {
  for (const ghost of ghosts) {
    if (isKept(ghost) || ghost.children.size > 0) continue;
    if (now - ghost.left > staysFor(ghost) + (calm.matches ? 0 : FADES)) bury(ghost);
  }
}

// ---- The stream ----------------------------------------------------------------------------------------------------

let source = null;
let again = 0;
let isPaused = false;
let wasLive = false;

function connect() {
  clearTimeout(again);
  source = new EventSource(`/events?max=${SNAPSHOT_MAX}`);
  const mine = source;
  const hear = (name, what) =>
    mine.addEventListener(name, (event) => {
      if (mine === source) what(JSON.parse(event.data));
    });
  hear('snapshot', (it) => {
    const skew = performance.now() - it.at_ms;
    // Another process: its numbers mean other nodes.
    if (clockSkew !== null && (it.at_ms < lastAt || skew > clockSkew + 1000)) forget();
    clockSkew = skew;
    lastAt = it.at_ms;
    merge(it.tree, true);
    lostIs(it.lost);
    setLink('live');
    request();
  });
  hear('changes', (it) => {
    for (const change of it.changes) apply(change);
    lastAt = it.at_ms;
    lostIs(it.lost);
    request();
  });
  hear('numbers', showNumbers);
  mine.onerror = () => {
    if (mine !== source) return;
    setLink('offline');
    // The browser tries again by itself, unless it was answered something else than a stream.
    if (mine.readyState === EventSource.CLOSED) again = setTimeout(connect, 2000);
  };
}

function setLink(state) {
  const link = $('link');
  if (link.dataset.is === state) return;
  link.dataset.is = state;
  const words = { live: 'live', offline: 'offline, trying again', paused: 'paused' };
  link.lastElementChild.textContent = words[state];
  if (state !== 'live' || wasLive) say(state === 'live' ? 'The page is live again.' : `The page is ${words[state]}.`);
  if (state === 'live') {
    wasLive = true;
    if (!hasLessons) askLessons();
  }
  document.body.dataset.link = state;
}

$('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  $('pause').setAttribute('aria-pressed', String(isPaused));
  $('pause').textContent = isPaused ? 'Go on' : 'Pause';
  if (isPaused) {
    source.close();
    clearTimeout(again);
    source = null;
    setLink('paused');
  } else {
    connect();
  }
  request();
});

// ---- The figures above ---------------------------------------------------------------------------------------------

const rates = [];

function lostIs(lost) {
  $('lostbox').hidden = !lost;
  $('lost').textContent = count(lost || 0);
}

function showNumbers(it) {
  lostIs(it.lost);
  $('rate').textContent = count(it.events_per_s ?? 0);
  $('flight').textContent = count(it.in_flight ?? it.nodes?.exchange ?? 0);
  rates.push(it.events_per_s ?? 0);
  if (rates.length > 60) rates.shift();
  const most = Math.max(10, ...rates);
  const points = rates.map((rate, i) => `${60 - rates.length + i} ${(19 - (rate / most) * 18).toFixed(1)}`);
  $('spark').firstElementChild.setAttribute('d', points.length > 1 ? `M${points.join('L')}` : '');
  totals = it.nodes ?? null;
  showUpstreams(it.upstreams ?? []);
  request();
}

let totals = null;

const ms = (x) => (x === null || x === undefined ? '–' : x >= 1000 ? `${(x / 1000).toFixed(1)} s` : x >= 10 ? `${Math.round(x)} ms` : `${+x.toFixed(2)} ms`);

// Each upstream: half, nine tenths and 99 hundredths of its answers, on a scale from 0.1 ms to 30 s.
function showUpstreams(upstreams) {
  const list = $('upstreams');
  const shown = upstreams.slice(0, 4);
  while (list.children.length > shown.length) list.lastElementChild.remove();
  shown.forEach((upstream, i) => {
    let item = list.children[i];
    if (!item) {
      item = make('li', {}, make('div'), make('div', { className: 'scale', ariaHidden: 'true' }, make('i'), make('i'), make('i')));
      list.append(item);
    }
    const quantiles = [upstream.p50_ms, upstream.p90_ms, upstream.p99_ms];
    const [text, scale] = item.children;
    text.replaceChildren(make('b', {}, upstream.name), ` p50 ${ms(quantiles[0])} · p90 ${ms(quantiles[1])} · p99 ${ms(quantiles[2])}`);
    item.title = `${upstream.in_flight ?? 0} in flight, ${upstream.per_s ?? 0} a second`;
    quantiles.forEach((x, j) => {
      const dot = scale.children[j];
      dot.hidden = !(x > 0);
      if (x > 0) dot.style.left = `${Math.min(100, Math.max(0, (Math.log10(x) + 1) / 5.48 * 100))}%`;
    });
  });
}

// ---- The filter ----------------------------------------------------------------------------------------------------

const filter = { words: '', age: 0, kinds: new Set() };
const kindsShown = new Set();
let stamp = 0;

const isFiltered = () => filter.words !== '' || filter.age > 0 || filter.kinds.size > 0;

function matches(node, now) {
  if (filter.kinds.size && !filter.kinds.has(node.kind)) return false;
  if (filter.age && now - node.born < filter.age) return false;
  return filter.words === '' || node.label.toLowerCase().includes(filter.words) || `#${node.id}` === filter.words;
}

// Marks what matches and all above it.
function mark(now) {
  stamp += 1;
  for (const node of nodes.values()) {
    node.isMatch = matches(node, now);
    for (let it = node.isMatch ? node : null; it && it.stamp !== stamp; it = it.parent) it.stamp = stamp;
  }
}

$('filter').addEventListener('input', () => {
  filter.words = $('words').value.trim().toLowerCase();
  filter.age = Number($('age').value);
  isStale = true;
  request();
});
$('filter').addEventListener('submit', (event) => event.preventDefault());

// A switch for each kind there is; the first dozen of them.
function showKind(kind) {
  if (kindsShown.size >= 12) return;
  kindsShown.add(kind);
  const button = make('button', { type: 'button', ariaPressed: 'false' }, kind);
  button.addEventListener('click', () => {
    const isOn = !filter.kinds.delete(kind);
    if (isOn) filter.kinds.add(kind);
    button.ariaPressed = String(isOn);
    isStale = true;
    request();
  });
  $('kinds').append(button);
}

// ---- Rows ----------------------------------------------------------------------------------------------------------

let rows = [];
let at = null; // key of the row that the keyboard is at

// Which children are drawn, and how many are only counted. What was drawn stays, so that nothing flickers.
function choose(node) {
  let all = [...node.children.values()];
  if (isFiltered()) all = all.filter((it) => it.stamp === stamp);
  const room = ROOM + node.extra;
  if (all.length <= room + 2) {
    node.shown = new Set(all.map((it) => it.id));
    return [all, []];
  }
  // What is looked at comes first, then what is busy, then the idle.
  const buckets = [[], [], [], [], []];
  for (const it of all) {
    const wasShown = node.shown.has(it.id) ? 0 : 1;
    const isBusy = it.children.size > 0 || hasEnded(it);
    const rank = it.isLesson || it === story?.top ? 0 : (isBusy ? 1 : 3) + wasShown;
    buckets[rank].push(it);
  }
  const chosen = new Set(buckets.flat().slice(0, room));
  node.shown = new Set([...chosen].map((it) => it.id));
  return [all.filter((it) => chosen.has(it)), all.filter((it) => !chosen.has(it))];
}

function flatten(now) {
  if (isFiltered()) mark(now);
  rows = [];
  if (!root || (isFiltered() && root.stamp !== stamp)) return;
  const waiting = [{ node: root, rails: [], follows: false, size: 1, place: 1 }];
  while (waiting.length) {
    const row = waiting.pop();
    rows.push(row);
    if (row.rest) continue;
    const { node } = row;
    row.key = `n${node.id}`;
    row.level = row.rails.length + 1;
    row.isParent = node.children.size > 0 || node.more > 0;
    if (!row.isParent || !node.isOpen) continue;
    const [chosen, others] = choose(node);
    const rails = row.rails.length || node === root ? [...row.rails, row.follows] : [];
    const rest = isFiltered() ? others.length : others.length + node.more;
    const size = chosen.length + (rest ? 1 : 0) + (node.extra ? 1 : 0);
    const below = chosen.map((child, i) => ({ node: child, rails, follows: i + 1 < size, size, place: i + 1 }));
    if (rest) below.push({ rest, others, of: node, key: `r${node.id}`, rails, follows: node.extra > 0, size, place: chosen.length + 1, level: row.level + 1 });
    if (node.extra) below.push({ rest: -1, others: [], of: node, key: `l${node.id}`, rails, follows: false, size, place: size, level: row.level + 1 });
    for (let i = below.length - 1; i >= 0; i -= 1) waiting.push(below[i]);
  }
}

const plural = (kind, n) => (n === 1 ? kind : kind === 'listener' ? 'listeners' : `${kind}${/(s|x|ch)$/.test(kind) ? 'es' : 's'}`);

// "+ 9,950 idle sessions"
function restText(row) {
  if (row.rest < 0) return 'show fewer';
  const kinds = new Map();
  for (const it of row.others) kinds.set(it.kind, (kinds.get(it.kind) ?? 0) + 1);
  const unknown = row.rest - row.others.length;
  if (kinds.size <= 1) {
    const kind = kinds.keys().next().value ?? row.of.children.values().next().value?.kind ?? 'node';
    const isIdle = kind === 'session' && row.others.every((it) => it.children.size === 0);
    return `+ ${count(row.rest)} ${isIdle ? 'idle ' : ''}${plural(kind, row.rest)}`;
  }
  const parts = [...kinds].map(([kind, n]) => `${count(n)} ${plural(kind, n)}`);
  if (unknown) parts.push(`${count(unknown)} not listed`);
  return `+ ${count(row.rest)} more: ${parts.join(', ')}`;
}

async function showMore(row) {
  const node = row.of;
  if (row.rest < 0) node.extra = 0;
  else {
    node.extra += PAGE;
    // What the snapshot left out is asked for when somebody wants to see it.
    if (row.others.length < PAGE && node.more > 0) {
      try {
        const max = node.children.size + node.more + PAGE;
        merge(await ask('GET', `/tree.json?root=${node.id}&depth=1&max=${Math.min(max, node.children.size + 2 * PAGE)}`), false);
      } catch (error) {
        say(error.message);
      }
    }
  }
  isStale = true;
  request();
}

// ---- Drawing: only what is in sight --------------------------------------------------------------------------------

const tree = $('tree');
const canvas = $('canvas');
const pool = new Map(); // key → element
let rowHeight = 30;
let step = 20;
let asked = false;
let ticking = 0;

// Asks for one drawing, at the next frame.
function request() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(frame);
}

function frame() {
  asked = false;
  const now = performance.now();
  sweep(now);
  if (isStale || (filter.age && !isPaused)) {
    isStale = false;
    flatten(now);
  }
  draw(now);
  $('count').textContent = count(totals ? Object.values(totals).reduce((sum, n) => sum + n, 0) : nodes.size - ghosts.size);
  clearTimeout(ticking);
  if (!isPaused && !document.hidden) ticking = setTimeout(request, calm.matches ? 1000 : 100);
}

function draw(now) {
  const height = tree.clientHeight;
  canvas.style.height = `${rows.length * rowHeight}px`;
  const some = Math.min(90, Math.ceil(height / rowHeight) + 7);
  const first = Math.max(0, Math.min(rows.length - some, Math.floor((tree.scrollTop - 8) / rowHeight) - 3));
  const last = Math.min(rows.length, first + some);
  const wanted = new Set();
  for (let i = first; i < last; i += 1) {
    const row = rows[i];
    wanted.add(row.key);
    let element = pool.get(row.key);
    if (!element) {
      element = makeRow(row);
      pool.set(row.key, element);
      canvas.append(element);
    }
    dress(element, row, i, now);
  }
  for (const [key, element] of pool) {
    if (wanted.has(key)) continue;
    element.remove();
    pool.delete(key);
  }
  if (at && wanted.has(at)) set(tree, 'aria-activedescendant', `row-${at}`);
  else tree.removeAttribute('aria-activedescendant');
  const isQuiet = root !== null && !isFiltered() && ![...pool.keys()].some((key) => ['exchange', 'tunnel', 'attempt', 'lesson'].includes(nodes.get(Number(key.slice(1)))?.kind)) && rows.length < 8;
  $('hint').hidden = !(isQuiet || (root !== null && rows.length === 0));
  if (!$('hint').hidden) $('hint').textContent = rows.length ? quietText() : 'Nothing in the tree matches.';
}

function quietText() {
  const listener = [...root.children.values()].find((it) => it.kind === 'listener');
  const where = listener ? ` to ${listener.label}` : '';
  return `Nothing is under way. Send a request${where}${hasLessons ? ', /slow for instance, or play a lesson,' : ''} and watch it here.`;
}

// Attributes and texts are written only where they change: most rows are as they were.
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((it) => it !== null && it !== undefined));
  return element;
}

function makeRow(row) {
  const parts = {};
  const part = (name, tag = 'span') => (parts[name] = make(tag, { className: name }));
  const element = make('div', { className: 'row', id: `row-${row.key}` }, part('rails'), part('twist'));
  element.setAttribute('role', 'treeitem');
  parts.rails.setAttribute('aria-hidden', 'true');
  parts.twist.setAttribute('aria-hidden', 'true');
  if (row.rest) {
    element.classList.add('rest');
    element.append(part('label'));
  } else {
    element.append(part('kind'), part('label'), part('id'), part('done'), part('note'), part('fill'), part('meter'), part('left'), part('age'));
    parts.meter.append(make('i'));
    parts.meter.setAttribute('aria-hidden', 'true');
    if (performance.now() - row.node.seen < 400) element.classList.add('new');
  }
  element.parts = parts;
  return element;
}

function dress(element, row, index, now) {
  const { parts } = element;
  element.row = row;
  const transform = `translateY(${index * rowHeight}px)`;
  if (element.style.transform !== transform) element.style.transform = transform;
  set(element, 'aria-level', String(row.level));
  set(element, 'aria-setsize', String(row.size));
  set(element, 'aria-posinset', String(row.place));
  set(element, 'aria-selected', String(at === row.key));
  element.classList.toggle('at', at === row.key);
  dressRails(parts.rails, row);
  if (row.rest) return put(parts.label, restText(row));

  const { node } = row;
  if (row.isParent) set(element, 'aria-expanded', String(node.isOpen));
  else element.removeAttribute('aria-expanded');
  put(parts.twist, row.isParent ? '▶' : '');
  parts.twist.classList.toggle('open', node.isOpen);
  set(element, 'data-kind', node.kind);
  set(element, 'data-state', node.state);
  const isWell = node.left > 0 && !hasEnded(node);
  element.classList.toggle('well', isWell);
  element.classList.toggle('below', hasEnded(node) && node.origin !== node.id);
  element.classList.toggle('fading', node.left > 0 && !isKept(node) && node.children.size === 0 && now - node.left > staysFor(node));
  element.classList.toggle('lesson', node.isLesson);
  element.classList.toggle('dim', isFiltered() && !node.isMatch);
  put(parts.kind, node.kind);
  put(parts.label, node.label);
  put(parts.id, `#${node.id}`);
  put(parts.done, node.done > 0 ? `${count(node.done)} done` : '');
  put(parts.note, noteOf(node, isWell));
  const until = node.left || (hasEnded(node) ? node.ended : 0) || now;
  put(parts.age, span(until - node.born));
  dressMeter(parts, node, now);
}

// The lines that lead from parents to children: one gradient each, no elements.
function dressRails(rails, row) {
  const { node } = row;
  const colour = node && hasEnded(node) && node.origin !== node.id ? 'var(--cut)' : 'var(--rail)';
  const drawn = `${row.rails.map(Number).join('')}${row.follows ? 1 : 0}${colour}${rowHeight}${step}`;
  if (rails.drawn === drawn) return;
  rails.drawn = drawn;
  const layers = [];
  const line = (x, y, w, h, c = 'var(--rail)') => layers.push(`linear-gradient(${c},${c}) ${x}px ${y}px / ${w}px ${h}px no-repeat`);
  // The root has no line, and so its children begin at the edge.
  const deep = Math.min(row.rails.length, 24);
  for (let i = 1; i < deep; i += 1) if (row.rails[i]) line((i - 1) * step + 8, 0, 1, rowHeight);
  if (deep > 0) {
    const x = (deep - 1) * step + 8;
    line(x, rowHeight / 2, step - 10, 1, colour);
    line(x, 0, 1, row.follows ? rowHeight : rowHeight / 2, colour);
  }
  rails.style.width = `${deep * step}px`;
  rails.style.background = layers.join(',');
}

function noteOf(node, isWell) {
  if (hasEnded(node)) {
    if (node.origin !== node.id) return `ended with ${nodes.get(node.origin)?.kind ?? ''}#${node.origin}`;
    const cause = (node.cause ?? node.state).replace(/^context /, '').replace(/ \(origin [^]*$/, '');
    return node.state === 'canceled' ? `✂ ${cause}` : `⌛ ${cause}`;
  }
  if (isWell) return `✓ done in ${span(node.left - node.born)}`;
  return node.state === 'draining' ? 'draining' : '';
}

// What is left of the budget, as a share of what its owner had, and whose it is.
function dressMeter(parts, node, now) {
  const { meter, left } = parts;
  const isOver = node.left > 0 || hasEnded(node);
  const has = node.due !== null && !isOver;
  meter.hidden = left.hidden = !has;
  set(parts.note.parentElement, 'data-second', parts.note.textContent ? 'note' : has ? 'meter' : '');
  if (!has) return;
  const owner = nodes.get(node.owner) ?? node;
  const remaining = Math.max(0, node.due - now);
  const share = Math.min(1, remaining / Math.max(1, node.due - owner.born));
  const bar = meter.firstElementChild;
  bar.style.transform = `scaleX(${share.toFixed(4)})`;
  meter.classList.toggle('low', share < 0.4 && share >= 0.15);
  meter.classList.toggle('out', share < 0.15);
  const whose = node.owner === null || node.owner === node.id ? 'its own' : `by ${owner === node ? '' : owner.kind}#${node.owner}`;
  if (!left.firstChild) left.append(make('span'), make('span', { className: 'by' }));
  put(left.firstChild, `${span(remaining)} left`);
  put(left.lastChild, `, ${whose}`);
  if (left.title !== whose) left.title = whose;
}

function span(time) {
  if (time < 1000) return `${Math.max(0, Math.round(time))} ms`;
  if (time < 60000) return `${(time / 1000).toFixed(1)} s`;
  if (time < 3600000) return `${Math.floor(time / 60000)} m ${Math.floor((time % 60000) / 1000)} s`;
  return time < 172800000 ? `${Math.floor(time / 3600000)} h ${Math.floor((time % 3600000) / 60000)} m` : `${Math.floor(time / 86400000)} days`;
}

function measure() {
  const style = getComputedStyle(document.documentElement);
  rowHeight = parseFloat(style.getPropertyValue('--row'));
  step = parseFloat(style.getPropertyValue('--step'));
  request();
}

tree.addEventListener('scroll', request, { passive: true });
addEventListener('resize', measure);
document.addEventListener('visibilitychange', request);

// ---- Keyboard and mouse --------------------------------------------------------------------------------------------

const indexOfAt = () => rows.findIndex((row) => row.key === at);

function go(index) {
  if (!rows.length) return;
  const to = Math.max(0, Math.min(rows.length - 1, index));
  at = rows[to].key;
  const top = to * rowHeight + 8;
  if (top < tree.scrollTop) tree.scrollTop = top - 8;
  else if (top + rowHeight > tree.scrollTop + tree.clientHeight) tree.scrollTop = top + rowHeight - tree.clientHeight + 8;
  if (canvas.classList.contains('roomy')) tree.scrollTop = top;
  draw(performance.now());
}

function toggle(node, isOpen) {
  node.isOpen = isOpen;
  isStale = true;
  request();
}

function open(row) {
  if (row.rest) showMore(row);
  else tellStory(row.node.id, true);
}

// A press chooses its row before the tree gets the focus, which would go to the first one else.
canvas.addEventListener('pointerdown', (event) => {
  at = event.target.closest('.row')?.row.key ?? at;
});
tree.addEventListener('focus', () => {
  if (indexOfAt() < 0) go(0);
});
tree.addEventListener('keydown', (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const index = indexOfAt();
  const row = rows[index];
  const page = Math.max(1, Math.floor(tree.clientHeight / rowHeight) - 1);
  const moves = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1, PageDown: index + page, PageUp: index - page };
  if (event.key in moves) go(moves[event.key]);
  else if (event.key === 'ArrowRight' && row?.isParent) row.node.isOpen ? go(index + 1) : toggle(row.node, true);
  else if (event.key === 'ArrowLeft' && row) {
    if (row.isParent && row.node.isOpen) toggle(row.node, false);
    else go(rows.findIndex((it) => it.node && it.node === (row.of ?? row.node.parent)));
  } else if ((event.key === 'Enter' || event.key === ' ') && row) open(row);
  else if (event.key === 'Escape' && !$('side').hidden) closeStory();
  else return;
  event.preventDefault();
});
canvas.addEventListener('click', (event) => {
  const element = event.target.closest('.row');
  if (!element) return;
  const { row } = element;
  at = row.key;
  tree.focus({ preventScroll: true });
  if (event.target.closest('.twist') && row.isParent) toggle(row.node, !row.node.isOpen);
  else open(row);
  request();
});

// ---- A node's story ------------------------------------------------------------------------------------------------

let story = null; // { id, top, told }
let asking = 0;

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, method === 'POST' ? { method, body, headers: { 'Osier-Admin': '1' } } : { method });
  } catch {
    throw new Error('the server cannot be reached');
  }
  const text = await answer.text();
  let told = null;
  try {
    told = JSON.parse(text);
  } catch {
    // Said in plain words.
  }
  if (!answer.ok) {
    const error = new Error(told?.error ?? (text.trim() || `the server answered ${answer.status}`));
    error.status = answer.status;
    throw error;
  }
  return told;
}

function tellStory(id, isAsked = false) {
  if (!story || story.id !== id) {
    const node = nodes.get(id);
    story = { id, top: node, told: null, isSure: false };
    $('receipt').textContent = '';
    $('reason').value = '';
    $('cut').textContent = 'Cancel it';
    showStory();
  }
  $('story').hidden = false;
  layOut();
  if (isAsked) $('title').focus({ preventScroll: true });
  refreshStory();
}

async function refreshStory() {
  clearTimeout(asking);
  if (!story) return;
  const mine = story;
  const node = nodes.get(mine.id);
  // Of what has gone there is nothing more to hear.
  if (mine.told && (!node || node.left)) mine.hasGone = true;
  if (mine.hasGone) return showStory();
  try {
    const told = await ask('GET', `/node/${mine.id}`);
    if (mine !== story) return;
    mine.told = told;
    mine.heard = performance.now();
    mine.hasGone = false;
  } catch (error) {
    if (mine !== story) return;
    if (error.status === 404) mine.hasGone = true;
  }
  showStory();
  if (!mine.hasGone) asking = setTimeout(refreshStory, isPaused ? 5000 : 1000);
}

function showStory() {
  const { id, told, hasGone } = story;
  const node = nodes.get(id) ?? story.top;
  story.top = node;
  const kind = told?.kind ?? node?.kind ?? 'node';
  const label = told?.label ?? node?.label ?? '';
  put($('title'), `${kind}#${id} ${label}`);
  const parts = [];
  const state = node && hasEnded(node) ? node.state : hasGone ? 'gone' : (told?.state ?? node?.state);
  const words = { live: 'It lives', draining: 'It drains: it accepts nothing new, and finishes what runs', canceled: 'It was cancelled', expired: 'Its deadline has passed', gone: 'It has gone: its last handle was dropped' };
  const age = node ? (node.left || node.ended || performance.now()) - node.born : told?.age_ms;
  const waiters = told && !hasGone && told.waiters ? `; ${told.waiters} waiting` : '';
  parts.push(make('p', {}, `${words[state] ?? state}. ${span(age ?? 0)} old${waiters}.`));
  const cause = told?.cause;
  if (cause || node?.cause) parts.push(make('h3', {}, 'Why it ended'), causeOf(cause, node));
  const receipt = node?.receipt;
  if (receipt && !$('receipt').textContent) parts.push(make('p', {}, receiptText(receipt)));
  if (told?.path) parts.push(make('h3', {}, 'The way from the root'), pathOf(told));
  if (told) parts.push(make('h3', {}, 'Its deadline'), make('p', {}, deadlineText(told)));
  if (told?.values?.length) parts.push(make('h3', {}, 'Values it sees, nearest first'), valuesOf(told.values));
  // What has the focus stays where it is: the way is a list of buttons.
  const focus = document.activeElement?.dataset?.step;
  $('told').replaceChildren(...parts);
  if (focus) $('told').querySelector(`[data-step="${Number(focus)}"]`)?.focus({ preventScroll: true });
  const isOver = hasGone || state === 'canceled' || state === 'expired';
  $('cut').disabled = isOver;
  $('reason').disabled = isOver && document.activeElement !== $('reason');
}

function causeOf(cause, node) {
  const from = cause?.origin_path ? make('p', {}, `It began at ${cause.origin_path}`, cause.place ? `, ${cause.place}` : '', cause.ago_ms !== undefined && cause.ago_ms !== null ? `, ${span(cause.ago_ms)} ago` : '', '.') : null;
  return make('div', { className: 'why' }, make('p', {}, cause?.text ?? node.cause), from);
}

function pathOf(told) {
  const list = make('ol', { className: 'path' });
  for (const it of told.path) {
    const isOwner = it.id === told.deadline_owner;
    const left = it.deadline_ms === null || it.deadline_ms === undefined ? 'no deadline' : `${span(it.deadline_ms)} left${it.own_deadline ? ', its own' : ''}`;
    const button = make('button', { type: 'button' }, make('b', {}, `${it.kind}#${it.id}`), make('span', {}, it.label), make('em', {}, left));
    button.dataset.step = it.id;
    button.addEventListener('click', () => {
      reveal(it.id);
      tellStory(it.id);
    });
    list.append(make('li', { className: isOwner ? 'owner' : '' }, button));
  }
  return list;
}

function deadlineText(told) {
  if (told.deadline_ms === null || told.deadline_ms === undefined) return 'None: neither it nor anything above it has one.';
  const left = `${span(Math.max(0, told.deadline_ms))} left.`;
  if (told.deadline_owner === told.id) return `${left} It is its own, the earliest on the way from the root.`;
  const owner = told.path?.find((it) => it.id === told.deadline_owner);
  const mine = told.path?.at(-1)?.own_deadline;
  return `${left} ${owner ? `${owner.kind}#${owner.id}` : `#${told.deadline_owner}`} above it imposes that${mine ? '; its own would be later' : ''}: a child never has more time than its parent.`;
}

function valuesOf(values) {
  const list = make('ul', { className: 'values' });
  for (const it of values) {
    const { key, node, shadowed } = typeof it === 'string' ? { key: it } : it;
    const where = node === undefined || node === null ? '' : `, carried by #${node}`;
    list.append(make('li', { className: shadowed ? 'shadowed' : '' }, make('code', {}, key), where, shadowed ? ', shadowed by a nearer one' : ''));
  }
  return list;
}

const receiptText = (it) => `${count(it.nodes)} ${plural('node', it.nodes)} ended and ${count(it.waiters)} ${plural('waiter', it.waiters)} woken, ${count(it.depth)} ${plural('level', it.depth)} down, in ${count(it.took_us)} µs.`;

// Opens what is above a node, and goes there.
function reveal(id) {
  const node = nodes.get(id);
  if (!node) return;
  for (let it = node.parent; it; it = it.parent) it.isOpen = true;
  flatten(performance.now());
  go(rows.findIndex((row) => row.node === node));
}

function closeStory() {
  const id = story?.id;
  story = null;
  clearTimeout(asking);
  $('story').hidden = true;
  layOut();
  if (id !== undefined) at = `n${id}`;
  tree.focus({ preventScroll: true });
  request();
}

function layOut() {
  $('side').hidden = $('story').hidden && $('learn').hidden;
  // On a small screen the details cover the lower part of the tree.
  const isSheet = !$('side').hidden && getComputedStyle($('side')).position === 'fixed';
  canvas.classList.toggle('roomy', isSheet);
  if (isSheet && indexOfAt() >= 0) tree.scrollTop = indexOfAt() * rowHeight + 8;
  request();
}

$('close').addEventListener('click', closeStory);
$('side').addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if ($('learn').contains(event.target)) closeLearn();
  else closeStory();
});
$('cancel').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { id } = story;
  const node = nodes.get(id);
  if (node === root && !story.isSure) {
    story.isSure = true;
    $('cut').textContent = 'End the whole server';
    return say('This ends everything the server does. Press again if you mean it.');
  }
  $('cut').disabled = true;
  try {
    const receipt = await ask('POST', `/cancel/${id}`, $('reason').value.trim());
    $('receipt').textContent = receiptText(receipt);
    say(`Cancelled ${node?.kind ?? 'node'} ${id}: ${receiptText(receipt)}`);
  } catch (error) {
    $('receipt').textContent = error.message;
    say(error.message);
    $('cut').disabled = false;
  }
  if (story?.id === id) refreshStory();
});

// ---- Lessons -------------------------------------------------------------------------------------------------------

let hasLessons = false;
let isPlaying = false;

async function askLessons() {
  let lessons = [];
  try {
    lessons = (await ask('GET', '/learn')) ?? [];
  } catch {
    return;
  }
  hasLessons = lessons.length > 0;
  $('learnopen').hidden = !hasLessons;
  if (!hasLessons || $('lessons').children.length) return;
  for (const lesson of lessons) {
    const play = make('button', { type: 'button', ariaLabel: `Play: ${lesson.title}` }, 'Play');
    const result = make('div');
    const item = make('li', {}, make('div', { className: 'pair' }, make('div', {}, make('h3', {}, lesson.title), make('p', {}, lesson.about)), play), result);
    item.dataset.lesson = lesson.name;
    play.addEventListener('click', () => playLesson(lesson, item, play, result));
    $('lessons').append(item);
  }
}

async function playLesson(lesson, item, play, result) {
  if (isPlaying) return;
  isPlaying = true;
  letGo();
  lessonName = lesson.name;
  for (const other of $('lessons').children) other.classList.toggle('on', other === item);
  for (const button of $('lessons').querySelectorAll('button')) button.disabled = true;
  play.textContent = 'Playing …';
  result.replaceChildren();
  item.ariaBusy = 'true';
  say(`The lesson ${lesson.title} is being played.`);
  try {
    const told = await ask('POST', `/learn/${encodeURIComponent(lesson.name)}`, '');
    for (const id of told.nodes ?? []) {
      pinned.add(id);
      const node = nodes.get(id);
      if (node) node.isLesson = true;
    }
    const number = told.number ? `Law ${told.number}: ` : '';
    result.replaceChildren(
      make('p', { className: told.ok === false ? 'said awry' : 'said' }, told.said),
      make('p', { className: 'law' }, number, told.law, make('br'), 'Read ', make('code', {}, told.example), '.'),
    );
    say(told.said);
    const first = (told.nodes ?? []).find((id) => nodes.has(id));
    if (first !== undefined && at === null) reveal(first);
  } catch (error) {
    result.replaceChildren(make('p', { className: 'said awry' }, error.message));
    say(error.message);
  }
  item.ariaBusy = 'false';
  play.textContent = 'Play again';
  for (const button of $('lessons').querySelectorAll('button')) button.disabled = false;
  isPlaying = false;
  isStale = true;
  request();
}

// What was kept for the lesson may fade now.
function letGo() {
  lessonName = null;
  pinned.clear();
  const now = performance.now();
  for (const node of nodes.values()) {
    node.isLesson = false;
    if (node.left) node.left = Math.max(node.left, now - staysFor(node));
  }
  isStale = true;
  request();
}

function closeLearn() {
  if (!isPlaying) {
    letGo();
    for (const item of $('lessons').children) item.classList.remove('on');
  }
  $('learn').hidden = true;
  $('learnopen').ariaExpanded = 'false';
  $('learnopen').classList.remove('on');
  layOut();
  $('learnopen').focus();
}

$('learnopen').addEventListener('click', () => {
  if (!$('learn').hidden) return closeLearn();
  $('learn').hidden = false;
  $('learnopen').ariaExpanded = 'true';
  $('learnopen').classList.add('on');
  layOut();
  $('learntitle').focus({ preventScroll: true });
});
$('learnclose').addEventListener('click', closeLearn);

function say(text) {
  $('say').textContent = text;
}

measure();
connect();
