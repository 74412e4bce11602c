// Reads messages that osier sent, one JSON line each, and says what Node's http makes of them, one JSON line each.
'use strict';

const http = require('http');
const { Duplex } = require('stream');
const readline = require('readline');

const ROOM = { maxHeaderSize: 128 * 1024 };
const KNOWN = new Set(http.METHODS);

// Ends of a connection that is none: what is pushed has come over it.
function wire() {
  const duplex = new Duplex({ read() {}, write(_chunk, _encoding, done) { done(); } });
  duplex.setTimeout = () => duplex;
  duplex.setNoDelay = duplex.setKeepAlive = duplex.ref = duplex.unref = () => duplex;
  return duplex;
}

// Lets everything happen that what was pushed leads to.
async function settle(is_over) {
  for (let turn = 0; turn < 40 && !is_over(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function lines(raw) {
  const all = [];
  for (let i = 0; i < raw.length; i += 2) all.push([raw[i].toLowerCase(), raw[i + 1]]);
  return all.sort((a, b) => (a.join('\0') < b.join('\0') ? -1 : 1));
}

// Collects the content of a message; `said.whole` once its end was seen.
function collect(message, said) {
  const pieces = [];
  message.on('data', (piece) => pieces.push(piece));
  message.on('error', (error) => { said.why ||= error.message; });
  message.on('end', () => {
    said.whole = message.complete;
    said.trailers = lines(message.rawTrailers);
    said.body = Buffer.concat(pieces).toString('base64');
  });
}

// Node knows a list of methods; any other message has to be read as that of one it knows.
function with_known_method(octets) {
  const end = octets.indexOf(' ');
  const method = octets.subarray(0, Math.max(end, 0)).toString('latin1');
  const is_known = KNOWN.has(method) && method !== 'CONNECT';
  return is_known ? [method, octets] : [method, Buffer.concat([Buffer.from('POST'), octets.subarray(end)])];
}

async function judge_request(octets, cut, said) {
  const [method, readable] = with_known_method(octets);
  let count = 0;
  const server = http.createServer({ ...ROOM, requestTimeout: 0, headersTimeout: 0 });
  server.on('request', (request) => {
    count += 1;
    if (count > 1) return;
    said.start = [method, request.url];
    said.fields = lines(request.rawHeaders);
    collect(request, said);
  });
  server.on('clientError', (error) => {
    if (said.whole) said.left = octets.length; else said.why ||= error.message;
  });
  const socket = wire();
  socket.on('error', () => {});
  server.emit('connection', socket);
  socket.push(readable);
  await settle(() => said.why);
  if (!cut) socket.push(null);
  await settle(() => said.why);
  if (count > 1) said.left = octets.length;
  if (!said.whole) said.why ||= 'no end';
  server.close();
  socket.destroy();
}

async function judge_response(octets, method, cut, said) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const socket = wire();
  socket.on('error', () => {});
  agent.createConnection = () => socket;
  const request = http.request({ ...ROOM, method, agent, host: 'a' });
  let has_ended = false;
  let is_free = false;
  agent.on('free', () => { is_free = true; });
  request.on('information', (interim) => said.interim.push(interim.statusCode));
  request.on('error', (error) => { said.why ||= error.message; });
  request.on('response', (response) => {
    said.start = [String(response.statusCode)];
    said.fields = lines(response.rawHeaders);
    response.on('end', () => { has_ended = true; });
    collect(response, said);
  });
  request.end();
  await settle(() => false);
  socket.push(octets);
  await settle(() => said.why);
  // One that may stay is free now, unless it was dropped for what came behind the message.
  const is_to_stay = has_ended && request.shouldKeepAlive;
  if (is_to_stay && !is_free) said.left = octets.length;
  if (cut) socket.destroy(new Error('reset')); else socket.push(null);
  await settle(() => said.why);
  // Content that lasts until the connection ends ends here for Node too, but not without an error.
  if (cut && said.why) said.whole = false;
  if (!said.whole) said.why ||= 'no end';
  agent.destroy();
  socket.destroy();
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    const octets = Buffer.from(asked.octets, 'base64');
    const said = {
      id: asked.id, whole: false, why: '', start: null, fields: [], body: '', trailers: [], interim: [], left: 0,
    };
    if (asked.kind === 'request') await judge_request(octets, asked.cut, said);
    else await judge_response(octets, asked.method, asked.cut, said);
    process.stdout.write(JSON.stringify(said) + '\n');
  }
}

main();
