// A real browser, and what every page of these tests has to keep to: no error in its console, nothing that its policy
// had to stop, and at most one drawing for each frame.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

// Installed by `run`, below target/.
const { chromium } = createRequire(new URL('../../target/browser/', import.meta.url))('playwright-core');

export const PATIENCE = Number(process.env.PATIENCE ?? 60_000);

let browser;

// Each start has a fresh directory of its own for what a browser keeps.
export async function start() {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export const stop = () => browser?.close();

export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

// Opens `url`, shows it to `look`, and sees that nothing went wrong meanwhile. `allowed`: what the console may say.
export async function visit(url, look, { allowed = null, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'no-preference', colorScheme: 'light', ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(`${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => errors.push(String(error.stack)));
  page.on('dialog', (dialog) => {
    errors.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.addInitScript(() => {
    window.seen = { stopped: [], frames: 0, most: 0 };
    addEventListener('securitypolicyviolation', (event) => seen.stopped.push(`${event.violatedDirective} ${event.blockedURI}`));
    const request = window.requestAnimationFrame.bind(window);
    let at = -1;
    let drawings = 0;
    window.requestAnimationFrame = (draw) =>
      request((time) => {
        drawings = time === at ? drawings + 1 : 1;
        at = time;
        seen.frames += 1;
        seen.most = Math.max(seen.most, drawings);
        draw(time);
      });
  });
  try {
    await page.goto(url);
    await page.locator('.row').first().waitFor();
    await look(page);
    const seen = await page.evaluate(() => window.seen);
    assert.deepEqual(seen.stopped, [], 'the policy had to stop something');
    assert.ok(seen.most <= 1, `${seen.most} drawings in one frame`);
    const wrong = errors.filter((text) => !allowed?.test(text));
    assert.deepEqual(wrong, [], 'the console has errors');
  } catch (error) {
    await page.screenshot({ path: new URL('../../target/browser/failed.png', import.meta.url).pathname }).catch(() => {});
    error.message += `\n  (the page as it was then: target/browser/failed.png${errors.length ? `; its console: ${errors.join(' | ')}` : ''})`;
    throw error;
  } finally {
    await context.close();
  }
}

const KINDS = ['server', 'listener', 'session', 'exchange', 'attempt', 'task', 'lesson', 'value'];

// The rows whose text has all these words; a kind means rows of that kind.
export function row(page, ...words) {
  const kind = words.find((word) => KINDS.includes(word));
  const rest = words.filter((word) => word !== kind);
  return rest.reduce((rows, word) => rows.filter({ hasText: word }), page.locator(kind ? `.row[data-kind=${kind}]` : '.row'));
}

// Waits until `question`, asked in the page, is answered with something. It is asked from outside: a page that looked by
// itself would have to evaluate text, which its policy forbids.
export async function until(page, question, argument) {
  const late = Date.now() + PATIENCE;
  for (;;) {
    const answer = await page.evaluate(question, argument);
    if (answer) return answer;
    assert.ok(Date.now() < late, `in vain: ${question}`);
    await page.waitForTimeout(50);
  }
}

// Nothing sticks out at the side: neither of the page nor of what is in it, but for what can be scrolled on purpose.
export async function fits(page) {
  // What the browser calls the width of its window grows with a page that is too wide.
  const outside = await page.evaluate((width) => {
    const wide = [];
    for (const it of [document.documentElement, document.body]) {
      if (it.scrollWidth > width || it.scrollLeft > 0) wide.push(`${it.tagName}: ${it.scrollWidth}, at ${it.scrollLeft}`);
    }
    if (innerWidth > width) wide.push(`the window: ${innerWidth}`);
    for (const element of document.querySelectorAll('body *')) {
      const box = element.getBoundingClientRect();
      if (!box.width || element.closest('.kinds, .away')) continue;
      if (box.right > width + 1 || box.left < -1) wide.push(`${element.className || element.tagName}: ${Math.round(box.left)} to ${Math.round(box.right)}`);
    }
    return wide;
  }, page.viewportSize().width);
  assert.deepEqual(outside, []);
}
