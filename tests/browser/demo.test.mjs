// The page in front of a gateway that runs, with requests that are really under way.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { PATIENCE, PHONE, fits, row, start, stop, until, visit } from './browser.mjs';
import { curl, demo } from './demo.mjs';

let osier;

before(async () => {
  osier = await demo();
  await start();
});
after(async () => {
  await stop();
  await osier?.kill();
});

// A story may be asked for in the moment in which its node goes.
const GONE = { allowed: /status of 404 .*\/node\/\d+/ };

test('a request is seen when it runs, its budget gets less, and it leaves when it is answered', () =>
  visit(osier.url, async (page) => {
    const request = curl(osier.gateway, '/slow?ms=6000');
    await row(page, 'exchange', 'GET /slow?ms=6000').waitFor();
    const share = () => Number(/scaleX\(([^)]+)\)/.exec(document.querySelector('[data-kind=attempt] .meter i')?.style.transform ?? '')?.[1] ?? NaN);
    const first = await until(page, share);
    await until(page, ({ first }) => Number(/scaleX\(([^)]+)\)/.exec(document.querySelector('[data-kind=attempt] .meter i')?.style.transform ?? '')?.[1] ?? NaN) < first - 0.02, { first });
    await row(page, 'exchange', 'done in').waitFor();
    assert.match(await request.answer, /^HTTP\/1\.1 200/);
    await row(page, 'GET /slow?ms=6000').waitFor({ state: 'detached' });
  }, GONE));

test('a press on cancel ends that exchange and no other', () =>
  visit(osier.url, async (page) => {
    const [cut, beside] = [curl(osier.gateway, '/slow?ms=50000'), curl(osier.gateway, '/slow?ms=12000')];
    await row(page, 'exchange', 'GET /slow?ms=12000').waitFor();
    await row(page, 'exchange', 'GET /slow?ms=50000').click();
    await page.getByRole('textbox', { name: /because/ }).fill('<b>seen</b> enough');
    await page.getByRole('button', { name: 'Cancel it' }).click();
    await row(page, 'exchange', 'canceled: <b>seen</b> enough').waitFor();
    const answer = await cut.answer;
    assert.match(answer, /^HTTP\/1\.1 503/);
    assert.match(answer, /admin:<b>seen<\/b> enough/);
    await page.locator('#receipt').getByText(/\d nodes? ended and \d waiters? woken/).waitFor();
    assert.equal(beside.hasEnded, false);
    assert.match(await beside.answer, /^HTTP\/1\.1 200/);
    assert.equal(await page.locator('.row b').count(), 0);
  }, GONE));

test('the same with the keyboard alone', () =>
  visit(osier.url, async (page) => {
    const request = curl(osier.gateway, '/slow?ms=50000');
    await row(page, 'exchange', 'GET /slow').waitFor();
    for (let i = 0; i < 30 && (await page.evaluate(() => document.activeElement.id)) !== 'tree'; i += 1) await page.keyboard.press('Tab');
    for (let i = 0; i < 30 && !(await page.locator('.row.at[data-kind=exchange]').count()); i += 1) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await until(page, () => document.activeElement.id === 'title');
    for (let i = 0; i < 30 && (await page.evaluate(() => document.activeElement.id)) !== 'reason'; i += 1) await page.keyboard.press('Tab');
    await page.keyboard.type('by hand');
    await page.keyboard.press('Enter');
    assert.match(await request.answer, /admin:by hand/);
    await until(page, () => document.querySelector('#say').textContent.startsWith('Cancelled exchange'));
    await page.keyboard.press('Escape');
    await until(page, () => document.activeElement.id === 'tree' && document.querySelector('#side').hidden);
  }, GONE));

test('a path that is markup does nothing', () =>
  visit(osier.url, async (page) => {
    const request = curl(osier.gateway, '/slow?<img/src=x/onerror=alert(1)>&ms=4000');
    await row(page, 'exchange', '<img/src=x/onerror=alert(1)>').click();
    await page.getByRole('heading', { name: /<img/ }).waitFor();
    assert.equal(await page.locator('img').count(), 0);
    await request.answer;
  }, GONE));

test('the page finds a demo that was started again', () =>
  visit(osier.url, async (page) => {
    const request = curl(osier.gateway, '/slow?ms=50000');
    await row(page, 'exchange', 'GET /slow?ms=50000').waitFor();
    await osier.kill();
    await page.getByText('offline, trying again', { exact: true }).waitFor();
    await request.answer;
    osier = await demo(osier);
    await until(page, () => document.querySelector('#link').dataset.is === 'live');
    await row(page, 'GET /slow?ms=50000').waitFor({ state: 'detached' });
    const anew = curl(osier.gateway, '/slow?ms=3000');
    await row(page, 'exchange', 'GET /slow?ms=3000').waitFor();
    assert.match(await anew.answer, /^HTTP\/1\.1 200/);
  }, { allowed: /ERR_|status of 404 / }));

test('the phone', () =>
  visit(osier.url, async (page) => {
    const request = curl(osier.gateway, '/slow?ms=50000');
    await row(page, 'exchange', 'GET /slow').tap();
    await page.getByRole('heading', { name: 'The way from the root' }).waitFor();
    await fits(page);
    await page.getByRole('button', { name: 'Close the story' }).tap();
    await page.getByRole('button', { name: 'Learn' }).tap();
    await page.getByRole('button', { name: /^Play: Drain/ }).waitFor();
    await fits(page);
    request.stop();
  }, { ...GONE, ...PHONE }));

for (const [name, words] of [
  ['cancel', /^exchange#\d+ was cancelled 2\.\d s into its request: \d nodes ended .* answered 200 after \d/],
  ['deadline', /^The client of exchange#\d+ had 4000 ms, .* attempt#\d+ below it.* imposed by exchange#\d+/],
  ['value', /^task#\d+ read “ada”, which #\d+ carries; task#\d+ read “grace”/],
  ['hedge', /^attempt#\d+ to \S+ had no answer after 1\.\d s.* attempt#\d+ was cancelled \(context canceled: /],
  ['drain', /^lesson#\d+ was told to drain: 4 nodes heard it .* not one ended/],
]) {
  test(`the lesson ${name} is played, lit up in the tree, and told as it went`, () =>
    visit(osier.url, async (page) => {
      await page.getByRole('button', { name: 'Learn' }).click();
      const lesson = page.locator(`[data-lesson=${name}]`);
      await lesson.getByRole('button').click();
      await page.locator('.row.lesson').first().waitFor();
      if (name === 'cancel') {
        // The branch that was cut is seen cut while the other one runs.
        await row(page, 'exchange', 'the lesson cut here').waitFor();
        await page.setViewportSize({ width: 1180, height: 540 });
        if (process.env.PICTURE) await page.screenshot({ path: process.env.PICTURE });
      }
      const said = lesson.locator('.said');
      await said.waitFor();
      assert.match(await said.innerText(), words);
      assert.equal(await lesson.locator('.awry').count(), 0);
      assert.match(await lesson.locator('.law').innerText(), /Read examples\/\d\d_\w+\.rs/);
      await until(page, (text) => document.querySelector('#say').textContent === text, await said.textContent());
      // What it was about is still there to be looked at, and goes when the lessons are closed.
      assert.ok((await page.locator('.row.lesson').count()) > 0);
      await page.getByRole('button', { name: 'Close the lessons' }).click();
      await page.locator('.row.lesson').first().waitFor({ state: 'detached', timeout: PATIENCE });
    }, GONE));
}
