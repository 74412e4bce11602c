// An admin interface without a gateway behind it: the page itself, with its policy, and a tree that a test makes up. For
// what a small demo cannot show on command: ten thousand nodes, a burst, labels that mean harm.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';

const admin = new URL('../../src/admin/', import.meta.url);
const file = (name) => readFileSync(new URL(name, admin), 'utf8');

// As src/admin/page.rs puts it together.
function page() {
  const nonce = randomBytes(16).toString('hex');
  const text = file('page.html')
    .replace('{style}', () => file('page.css'))
    .replace('{script}', () => file('page.js'))
    .replaceAll('{nonce}', nonce);
  const policy =
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; ` +
    "form-action 'none'; frame-ancestors 'none'";
  return { text, policy };
}

export class Mock {
  constructor() {
    this.began = performance.now();
    this.nodes = new Map();
    this.next = 1;
    this.lost = 0;
    this.readers = new Set();
    this.changes = [];
    this.cancelled = [];
    this.lessons = [];
    this.server = createServer((request, response) => this.answer(request, response));
  }

  async listen(port = 0) {
    await new Promise((done) => this.server.listen(port, '127.0.0.1', done));
    this.pace = setInterval(() => this.flush(), 100);
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this.url;
  }

  close() {
    clearInterval(this.pace);
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  at() {
    return Math.round(performance.now() - this.began);
  }

  // ---- The tree

  add(parent, kind, label, deadline = null) {
    const id = this.next++;
    const above = this.nodes.get(parent);
    const due = deadline === null ? (above?.due ?? null) : this.at() + deadline;
    const owner = deadline === null ? (above?.owner ?? null) : id;
    const node = { id, parent: above, kind, label, due, owner, made: this.at(), state: 'live', cause: null, values: [], children: [] };
    this.nodes.set(id, node);
    above?.children.push(node);
    this.changes.push({ new: id, parent, kind, label, deadline_ms: due === null ? null : due - this.at(), deadline_owner: owner });
    return id;
  }

  end(id, cause, state = 'canceled') {
    const below = [this.nodes.get(id)];
    let ended = 0;
    while (below.length) {
      const node = below.pop();
      Object.assign(node, { state, cause });
      ended += 1;
      below.push(...node.children);
    }
    const receipt = { nodes: ended, waiters: 1, depth: 2, took_us: 9 };
    this.changes.push({ end: id, state, cause, origin: id, receipt });
    return receipt;
  }

  drain(id) {
    this.nodes.get(id).state = 'draining';
    this.changes.push({ drain: id });
  }

  gone(id) {
    const node = this.nodes.get(id);
    for (const child of [...node.children]) this.gone(child.id);
    this.nodes.delete(id);
    if (node.parent) node.parent.children.splice(node.parent.children.indexOf(node), 1);
    this.changes.push({ gone: id });
  }

  picture(node) {
    return {
      id: node.id, kind: node.kind, label: node.label, state: node.state, age_ms: this.at() - node.made,
      deadline_ms: node.due === null ? null : Math.max(0, node.due - this.at()), deadline_owner: node.owner, cause: node.cause, waiters: 0,
      children: node.children.map((it) => this.picture(it)),
    };
  }

  // ---- What is sent

  snapshot() {
    return { at_ms: this.at(), lost: this.lost, tree: this.picture(this.nodes.get(1)) };
  }

  send(name, data) {
    for (const reader of this.readers) reader.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  // At most 500 changes; what is above that is lost, and told.
  flush() {
    if (!this.changes.length) return;
    const changes = this.changes.splice(0);
    const kept = changes.slice(0, 500);
    this.lost += changes.length - kept.length;
    this.send('changes', { at_ms: this.at(), lost: this.lost, changes: kept });
    if (kept.length < changes.length) this.send('snapshot', this.snapshot());
  }

  numbers(more = {}) {
    this.send('numbers', { events_per_s: 0, lost: this.lost, nodes: null, in_flight: 0, upstreams: [], ...more });
  }

  answer(request, response) {
    const json = (status, value) => {
      response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
      response.end(JSON.stringify(value));
    };
    const { pathname } = new URL(request.url, 'http://mock/');
    const [, room, id] = pathname.split('/');
    if (pathname === '/') {
      const { text, policy } = page();
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy, 'Cache-Control': 'no-store' });
      return response.end(text);
    }
    if (pathname === '/events') {
      this.flush();
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      this.readers.add(response);
      response.on('close', () => this.readers.delete(response));
      return response.write(`event: snapshot\ndata: ${JSON.stringify(this.snapshot())}\n\n`);
    }
    if (pathname === '/learn') return json(200, this.lessons);
    const node = this.nodes.get(Number(id));
    if (!node) return json(404, { error: 'no such node lives in the tree' });
    if (room === 'node') return json(200, this.story(node));
    if (room === 'cancel' && request.method === 'POST' && request.headers['osier-admin'] === '1') {
      let reason = '';
      request.on('data', (piece) => (reason += piece));
      request.on('end', () => {
        this.cancelled.push({ id: node.id, reason });
        json(200, this.end(node.id, `context canceled: ${reason || 'cancelled by id'}`));
      });
      return;
    }
    json(404, { error: 'not here' });
  }

  story(node) {
    const path = [];
    for (let it = node; it; it = it.parent) {
      path.unshift({ id: it.id, kind: it.kind, label: it.label, state: it.state, deadline_ms: it.due === null ? null : it.due - this.at(), own_deadline: it.owner === it.id });
    }
    return {
      ...this.picture(node), children: node.children.length, draining: node.state === 'draining', path, values: node.values,
      cause: node.cause === null ? null : { text: node.cause, error: 'canceled', origin: node.id, origin_path: `${node.kind}#${node.id}`, place: null, ago_ms: 5 },
    };
  }
}
