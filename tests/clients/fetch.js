// Node's own fetch: fetch.js URL, in front of http_origin.py, or fetch.js URL abort, in front of anything that streams.

const assert = require("node:assert/strict");
const { createHash } = require("node:crypto");
const { once } = require("node:events");

const [url, mode] = process.argv.slice(2);
const piece = Buffer.from(Uint8Array.from({ length: 1 << 16 }, (_, i) => i % 256));

function digest(pieces) {
  const whole = Buffer.concat(pieces);
  return `${whole.length} ${createHash("sha256").update(whole).digest("hex")}\n`;
}

async function asks() {
  const response = await fetch(`${url}/fields`, { headers: { "X-Mine": "1" } });
  assert.equal(response.status, 200);
  const fields = await response.json();
  assert.deepEqual(fields.filter(([name]) => name.toLowerCase() === "x-mine").map(([, value]) => value), ["1"]);

  const streamed = await fetch(`${url}/stream`);
  assert.equal(digest([Buffer.from(await streamed.arrayBuffer())]), digest(Array(64).fill(piece)));

  // Content that is made while it is sent.
  async function* pieces() {
    for (let i = 0; i < 32; i++) yield piece;
  }
  const posted = await fetch(`${url}/digest`, { method: "POST", body: ReadableStream.from(pieces()), duplex: "half" });
  assert.equal(posted.headers.get("x-framing"), "chunked");
  assert.equal(await posted.text(), digest(Array(32).fill(piece)));

  const redirected = await fetch(`${url}/redirect`);
  assert.ok(redirected.redirected && redirected.url.endsWith("/fields"));

  const many = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/fields`).then((r) => r.json())));
  assert.equal(many.length, 50);
  console.log("done");
}

async function aborts() {
  const controller = new AbortController();
  const response = await fetch(url, { signal: controller.signal });
  const reader = response.body.getReader();
  const { value } = await reader.read();
  console.log(`got ${Buffer.from(value)}`);
  controller.abort();
  await assert.rejects(reader.read(), { name: "AbortError" });
  console.log("aborted");
  // It lives on until it is told that the origin has seen it.
  await once(process.stdin, "data");
  process.stdin.destroy();
}

if (mode === "abort") aborts();
else asks();
