// The page in front of a tree that is made up: what it draws, how much of it, and what it does not fall for.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { PHONE, fits, row, start, stop, until, visit } from './browser.mjs';
import { Mock } from './mock.mjs';

before(start);
after(stop);

// A server with a listener; `look` gets both and the page.
async function withTree(look, options) {
  const mock = new Mock();
  const server = mock.add(undefined, 'server', 'osier');
  const listener = mock.add(server, 'listener', '127.0.0.1:8086');
  await mock.listen();
  try {
    await visit(mock.url, (page) => look(page, mock, listener), options);
  } finally {
    await mock.close();
  }
}

// A session with one exchange, down to the wait for the response head.
function exchange(mock, listener, label, budget = 60_000) {
  const session = mock.add(listener, 'session', '127.0.0.1:40000');
  const id = mock.add(session, 'exchange', label);
  const attempt = mock.add(id, 'attempt', '127.0.0.1:9000', budget);
  const task = mock.add(attempt, 'task', 'response head');
  return { session, id, attempt, task };
}

const domNodes = (page) => page.evaluate(() => document.querySelectorAll('*').length);
const rowsInTree = (page) => page.evaluate(() => Math.round(document.querySelector('#canvas').clientHeight / document.querySelector('.row').offsetHeight));

test('a node is drawn when it is made, with its kind, label, age and budget', () =>
  withTree(async (page, mock, listener) => {
    exchange(mock, listener, 'GET /here');
    await row(page, 'exchange', 'GET /here').waitFor();
    assert.match(await row(page, 'attempt', '127.0.0.1:9000').innerText(), /\d s left, its own/);
    assert.match(await row(page, 'task', 'response head').innerText(), / s left, by attempt#5/);
    assert.match(await row(page, 'listener').innerText(), /\d (ms|s)/);
  }));

test('the bar shrinks with the budget, and is as long as what is left of it', () =>
  withTree(async (page, mock, listener) => {
    exchange(mock, listener, 'GET /', 30_000);
    await row(page, 'attempt').waitFor();
    const share = () => Number(/scaleX\(([^)]+)\)/.exec(document.querySelector('[data-kind=attempt] .meter i')?.style.transform ?? '')?.[1]);
    const first = await until(page, share);
    assert.ok(first > 0 && first <= 1, String(first));
    await until(page, `(${share})() < ${first - 0.02}`);
  }));

test('a cancelled branch is coloured from the cut downwards, says why, and goes', () =>
  withTree(async (page, mock, listener) => {
    const one = exchange(mock, listener, 'GET /cut');
    exchange(mock, listener, 'GET /beside');
    await row(page, 'GET /beside').waitFor();
    mock.end(one.id, `context canceled: seen enough (origin exchange#${one.id})`);
    await row(page, 'GET /cut', 'canceled: seen enough').waitFor();
    const states = await page.evaluate(() => [...document.querySelectorAll('.row')].map((it) => `${it.dataset.kind} ${it.dataset.state}`));
    assert.deepEqual(states, [
      'server live', 'listener live',
      'session live', 'exchange canceled', 'attempt canceled', 'task canceled',
      'session live', 'exchange live', 'attempt live', 'task live',
    ]);
    assert.match(await page.locator(`#row-n${one.task}`).innerText(), new RegExp(`ended with exchange#${one.id}`));
    mock.gone(one.id);
    await row(page, 'GET /cut').waitFor({ state: 'detached' });
    await row(page, 'GET /beside').waitFor();
  }));

test('what went well is seen to leave, and counted where it was', () =>
  withTree(async (page, mock, listener) => {
    const one = exchange(mock, listener, 'GET /well');
    mock.add(one.session, 'task', 'stays');
    await row(page, 'GET /well').waitFor();
    mock.gone(one.id);
    await row(page, 'GET /well', 'done in').waitFor();
    await row(page, 'GET /well').waitFor({ state: 'detached' });
    assert.match(await row(page, 'session').innerText(), /1 done/);
  }));

test('a passed deadline and a drain are told apart from a cancel', () =>
  withTree(async (page, mock, listener) => {
    const one = exchange(mock, listener, 'GET /late');
    const other = exchange(mock, listener, 'GET /drains');
    await row(page, 'GET /drains').waitFor();
    mock.end(one.attempt, 'context deadline exceeded: request', 'expired');
    mock.drain(other.session);
    await row(page, 'attempt', 'deadline exceeded: request').waitFor();
    assert.equal(await page.locator('[data-state=expired]').count(), 2);
    assert.equal(await page.locator(`#row-n${other.session}`).getAttribute('data-state'), 'draining');
    assert.equal(await page.locator(`#row-n${other.task}`).count(), 1);
  }));

test('ten thousand sessions are one line, and pages of it when somebody asks', () =>
  withTree(async (page, mock, listener) => {
    for (let i = 0; i < 10_000; i += 1) mock.add(listener, 'session', `10.0.0.1:${i}`);
    mock.changes = [];
    await page.reload();
    const rest = row(page, 'idle sessions');
    await page.locator('#tree').focus();
    await page.keyboard.press('End');
    await rest.waitFor();
    assert.match(await rest.innerText(), /\+ 9,960 idle sessions/);
    assert.ok((await rowsInTree(page)) < 60);

    // Whatever is busy comes first, though it is the last of them.
    const busy = mock.add(mock.next - 1, 'exchange', 'GET /busy');
    await row(page, 'GET /busy').waitFor();

    for (let i = 0; i < 5; i += 1) {
      await page.keyboard.press('End');
      await page.keyboard.press('ArrowUp');
      const before = await rowsInTree(page);
      await (i ? page.keyboard.press('Enter') : rest.click());
      await until(page, `Math.round(document.querySelector('#canvas').clientHeight / document.querySelector('.row').offsetHeight) > ${before}`);
      assert.ok((await domNodes(page)) < 1500, `${await domNodes(page)} elements`);
    }
    assert.ok((await rowsInTree(page)) > 1000);
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await until(page, "document.querySelector('#canvas').clientHeight / document.querySelector('.row').offsetHeight < 60");
    mock.gone(busy);
  }));

test('all of ten thousand rows can be scrolled through with few elements', () =>
  withTree(async (page, mock, listener) => {
    for (let i = 0; i < 30; i += 1) {
      const session = mock.add(listener, 'session', `10.0.0.1:${i}`);
      for (let j = 0; j < 36; j += 1) {
        const exchange = mock.add(session, 'exchange', `GET /${i}/${j}`);
        for (let k = 0; k < 8; k += 1) mock.add(exchange, 'task', `part ${k}`, 60_000);
      }
    }
    mock.changes = [];
    await page.reload();
    await page.locator('.row').first().waitFor();
    assert.ok((await rowsInTree(page)) > 9_700, `${await rowsInTree(page)} rows`);
    await page.locator('#tree').focus();
    for (const key of ['PageDown', 'PageDown', 'End', 'PageUp', 'Home', 'End']) {
      await page.keyboard.press(key);
      await until(page, "document.getElementById(document.querySelector('#tree').getAttribute('aria-activedescendant')) !== null");
      assert.ok((await domNodes(page)) < 1500, `${await domNodes(page)} elements`);
    }
    await row(page, 'GET /29/35').waitFor();
  }));

test('a burst is counted, its losses are shown, and the page goes on', () =>
  withTree(async (page, mock, listener) => {
    const session = mock.add(listener, 'session', '127.0.0.1:40000');
    await row(page, 'session').waitFor();
    for (let turn = 0; turn < 40; turn += 1) {
      for (let i = 0; i < 400; i += 1) mock.gone(mock.add(session, 'exchange', `GET /${turn}/${i}`));
      mock.flush();
      mock.numbers({ events_per_s: 8000, in_flight: 3 });
    }
    await until(page, "document.querySelector('#rate').textContent === '8,000' && !document.querySelector('#lostbox').hidden");
    assert.equal(await page.locator('#lost').innerText(), new Intl.NumberFormat('en').format(mock.lost));
    assert.ok((await domNodes(page)) < 1500);
    // Gone is what was sent as gone; what was lost is not made up.
    assert.match(await row(page, 'session').innerText(), /\d done/);
    exchange(mock, listener, 'GET /after');
    await row(page, 'GET /after').waitFor();
    await until(page, "![...document.querySelectorAll('.row')].some((it) => /GET .\\d/.test(it.textContent))");
  }));

test('the filter leaves what matches and what is above it', () =>
  withTree(async (page, mock, listener) => {
    exchange(mock, listener, 'GET /orders');
    exchange(mock, listener, 'GET /users');
    await row(page, 'GET /users').waitFor();
    await page.getByRole('searchbox').fill('USERS');
    await row(page, 'GET /orders').waitFor({ state: 'detached' });
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('.row')].map((it) => it.dataset.kind)), ['server', 'listener', 'session', 'exchange']);
    await page.getByRole('searchbox').fill('');
    await page.getByRole('button', { name: 'attempt', exact: true }).click();
    await until(page, "document.querySelectorAll('[data-kind=attempt]').length === 2 && !document.querySelector('[data-kind=task]')");
    await page.getByRole('button', { name: 'attempt', exact: true }).click();
    await page.getByLabel('Age').selectOption('600000');
    await page.getByText('Nothing in the tree matches.').waitFor();
    await page.getByLabel('Age').selectOption('0');
    await row(page, 'GET /orders').waitFor();
  }));

test('a pause holds the picture, and going on catches up', () =>
  withTree(async (page, mock, listener) => {
    const one = exchange(mock, listener, 'GET /before');
    await row(page, 'GET /before').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await until(page, "document.querySelector('#link').textContent === 'paused'");
    mock.gone(one.id);
    exchange(mock, listener, 'GET /meanwhile');
    mock.flush();
    await page.getByRole('button', { name: 'Go on' }).click();
    await row(page, 'GET /meanwhile').waitFor();
    await row(page, 'GET /before').waitFor({ state: 'detached' });
  }));

test('labels, kinds, causes and values that are markup stay text', () =>
  withTree(async (page, mock, listener) => {
    const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>&lt;b&gt;\u202e';
    const one = exchange(mock, listener, `GET /${evil}`);
    mock.add(listener, '"><svg onload=alert(3)>', evil);
    mock.nodes.get(one.id).values = [{ key: evil, node: 1 }, { key: 'user', node: 2, shadowed: true }];
    await row(page, 'exchange', '<script>alert(2)</script>').waitFor();
    await row(page, 'exchange').click();
    await page.getByText('shadowed by a nearer one').waitFor();
    await page.getByRole('textbox', { name: /because/ }).fill(evil);
    await page.getByRole('button', { name: 'Cancel it' }).click();
    await row(page, 'exchange', 'canceled: <img').waitFor();
    assert.deepEqual(mock.cancelled, [{ id: one.id, reason: evil }]);
    assert.equal(await page.locator('img, .row svg, .side svg, body script + script').count(), 0);
    assert.equal(await page.locator('script').count(), 1);
    mock.send('numbers', { events_per_s: 1, lost: 0, nodes: null, in_flight: 1, upstreams: [{ name: evil, in_flight: 0, per_s: 0, p50_ms: 1, p90_ms: 2, p99_ms: 3 }] });
    await page.locator('#upstreams').getByText('<img src=x').waitFor();
    assert.equal(await page.locator('img').count(), 0);
  }));

test('a story says the way, whose deadline it is, values and the cause', () =>
  withTree(async (page, mock, listener) => {
    const one = exchange(mock, listener, 'GET /told');
    mock.nodes.get(one.task).values = ['request id'];
    await row(page, 'task').click();
    const story = page.getByRole('region', { name: /task#6/ });
    await story.getByText('attempt#5 above it imposes that', { exact: false }).waitFor();
    await story.getByText('request id').waitFor();
    // A step of the way leads to its own story.
    await story.getByRole('button', { name: /attempt#5/ }).click();
    await page.getByRole('region', { name: /attempt#5/ }).getByText('It is its own').waitFor();
    mock.end(one.id, 'context canceled: over');
    await page.getByText('context canceled: over').first().waitFor();
    assert.ok(await page.getByRole('button', { name: 'Cancel it' }).isDisabled());
  }));

test('a whole server is not ended by one press', () =>
  withTree(async (page, mock) => {
    await row(page, 'server').click();
    await page.getByRole('button', { name: 'Cancel it' }).click();
    await page.getByRole('button', { name: 'End the whole server' }).waitFor();
    assert.deepEqual(mock.cancelled, []);
    await page.getByRole('button', { name: 'End the whole server' }).click();
    await until(page, "document.querySelectorAll('.row[data-state=canceled]').length === 2");
  }));

test('roles: a tree of items with their levels, a status that is heard, names for all that can be pressed', () =>
  withTree(async (page, mock, listener) => {
    exchange(mock, listener, 'GET /roles');
    await row(page, 'task').waitFor();
    const items = page.getByRole('tree', { name: 'The live tree' }).getByRole('treeitem');
    assert.equal(await items.count(), 6);
    assert.deepEqual(await items.evaluateAll((all) => all.map((it) => [it.ariaLevel, it.ariaSetSize, it.ariaPosInSet, it.ariaExpanded])), [
      ['1', '1', '1', 'true'], ['2', '1', '1', 'true'], ['3', '1', '1', 'true'], ['4', '1', '1', 'true'], ['5', '1', '1', 'true'], ['6', '1', '1', null],
    ]);
    await row(page, 'task').click();
    await page.getByRole('button', { name: 'Cancel it' }).waitFor();
    const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select')].filter((it) => it.checkVisibility() && !(it.textContent.trim() || it.ariaLabel || it.labels?.length)).length);
    assert.equal(nameless, 0);
    assert.equal(await page.getByRole('status').getAttribute('aria-live'), 'polite');
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  }));

test('keys: up and down, in and out, first and last; the focus is seen', () =>
  withTree(async (page, mock, listener) => {
    exchange(mock, listener, 'GET /keys');
    await row(page, 'task').waitFor();
    const at = () => page.evaluate(() => document.getElementById(document.querySelector('#tree').getAttribute('aria-activedescendant'))?.dataset.kind);
    await page.locator('#tree').focus();
    const walk = [
      ['Home', 'server'], ['ArrowDown', 'listener'], ['ArrowRight', 'session'], ['End', 'task'], ['ArrowLeft', 'attempt'], ['ArrowLeft', 'attempt'],
      ['ArrowRight', 'attempt'], ['ArrowRight', 'task'], ['ArrowUp', 'attempt'], ['Home', 'server'],
    ];
    for (const [key, kind] of walk) {
      await page.keyboard.press(key);
      await until(page, (kind) => document.getElementById(document.querySelector('#tree').getAttribute('aria-activedescendant'))?.dataset.kind === kind, kind);
      assert.equal(await at(), kind, key);
    }
    const outline = await page.locator('.row.at').evaluate((it) => getComputedStyle(it).outlineStyle);
    assert.equal(outline, 'solid');
  }));

test('a phone: nothing sticks out, with a story and the keyboard of a finger', () =>
  withTree(async (page, mock, listener) => {
    const long = exchange(mock, listener, `GET /${'a-rather-long-path/'.repeat(5)}`);
    for (let i = 0; i < 60; i += 1) mock.add(listener, 'session', `127.0.0.1:${41000 + i}`);
    for (const name of ['origin-with-a-rather-long-name', 'pair', 'third']) mock.upstreams = [...(mock.upstreams ?? []), { name, in_flight: 1, per_s: 10, p50_ms: 1234.5, p90_ms: 2345.6, p99_ms: 12345.6 }];
    await row(page, 'attempt').waitFor();
    mock.numbers({ events_per_s: 123456, in_flight: 12345, lost: 1234567, upstreams: mock.upstreams });
    await until(page, "document.querySelectorAll('#upstreams li').length === 3");
    await fits(page);
    await row(page, 'attempt').tap();
    await page.getByRole('button', { name: 'Cancel it' }).waitFor();
    await page.getByRole('heading', { name: 'The way from the root' }).waitFor();
    await fits(page);
    // The row that the story is about is not below it.
    await until(page, "document.querySelector('.row.at').getBoundingClientRect().bottom <= document.querySelector('#side').getBoundingClientRect().top");
    await page.getByRole('textbox', { name: /because/ }).fill('a thumb');
    await page.getByRole('button', { name: 'Cancel it' }).tap();
    await page.getByText('ended and', { exact: false }).first().waitFor();
    await fits(page);
    assert.deepEqual(mock.cancelled, [{ id: long.attempt, reason: 'a thumb' }]);
    const small = await page.evaluate(() => [...document.querySelectorAll('button, input, select, .row')].filter((it) => it.checkVisibility() && it.getBoundingClientRect().height < 28).length);
    assert.equal(small, 0);
  }, PHONE));

test('dark where dark is wished for, and still where movement is not', async () => {
  const paper = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const papers = [];
  for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark' }]) await withTree(async (page) => papers.push(await paper(page)), options);
  assert.notEqual(papers[0], papers[1]);
  await withTree(
    async (page, mock, listener) => {
      exchange(mock, listener, 'GET /still');
      await row(page, 'attempt').waitFor();
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
      const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((it) => parseFloat(getComputedStyle(it).transitionDuration) > 0).length);
      assert.equal(moving, 0);
    },
    { reducedMotion: 'reduce' },
  );
});

test('a server that goes away is missed, and found again by itself', () =>
  withTree(
    async (page, mock) => {
      const { port } = mock.server.address();
      await mock.close();
      await page.getByText('offline, trying again', { exact: true }).waitFor();
      const again = new Mock();
      again.add(undefined, 'server', 'another');
      await again.listen(port);
      try {
        await row(page, 'server', 'another').waitFor();
        await until(page, "document.querySelector('#link').dataset.is === 'live'");
        // What the one before had is not shown as this one's.
        await row(page, 'listener').waitFor({ state: 'detached' });
      } finally {
        await again.close();
        mock.server = { closeAllConnections() {}, close: (done) => done() };
      }
    },
    { allowed: /ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|EMPTY_RESPONSE|NETWORK_)/ },
  ));
