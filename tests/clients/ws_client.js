// A client made with the package `ws`: ws_client.js URL

const assert = require("node:assert/strict");
const { once } = require("node:events");
const { WebSocket } = require("ws");

const [url] = process.argv.slice(2);
const mebibyte = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => i % 251));
// Nothing here takes so long unless it hangs.
setTimeout(() => assert.fail("nothing more comes"), 15_000).unref();

async function dial(perMessageDeflate) {
  const socket = new WebSocket(url, { perMessageDeflate, maxPayload: 0 });
  await once(socket, "open");
  return socket;
}

async function say(socket, message) {
  const answer = once(socket, "message");
  socket.send(message);
  const [data, isBinary] = await answer;
  return isBinary ? data : data.toString();
}

async function main() {
  for (const perMessageDeflate of [{ threshold: 0 }, false]) {
    const socket = await dial(perMessageDeflate);
    assert.equal(socket.extensions.includes("permessage-deflate"), Boolean(perMessageDeflate));
    for (const message of ["hello", "", "žluťoučký 🐎", Buffer.of(0, 255), mebibyte, "x".repeat(1 << 20)]) {
      assert.deepEqual(await say(socket, message), message);
    }
    // Both sides ping.
    const pong = once(socket, "pong");
    socket.ping("are you there?");
    assert.equal(String((await pong)[0]), "are you there?");
    assert.equal(await say(socket, "ping me"), "pong came");
    socket.close(4001, "the client has had enough");
    assert.equal((await once(socket, "close"))[0], 4001);
  }

  const closed = await dial(false);
  closed.send("close me");
  const [code, reason] = await once(closed, "close");
  assert.deepEqual([code, reason.toString()], [4002, "the origin has had enough"]);

  // One that leaves without a word.
  const leaver = await dial(false);
  assert.equal(await say(leaver, "hello"), "hello");
  leaver.terminate();
  console.log("done");
}

main();
