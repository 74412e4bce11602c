// `osier demo` as a process, and curl as its client.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const OSIER = process.env.OSIER ?? new URL('../../target/debug/osier', import.meta.url).pathname;
const ANY = '127.0.0.1:0';

// Starts the demo at free ports, or at those of one before; resolves when it says where it listens.
export async function demo({ gateway = ANY, admin = ANY } = {}) {
  const child = spawn(OSIER, ['demo', '--workers', '2', '--listen', gateway, '--admin', admin], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((done) => child.once('exit', done));
  const said = [];
  const lines = createInterface({ input: child.stderr });
  const where = await new Promise((found, failed) => {
    lines.on('line', (line) => {
      said.push(line);
      const announced = /^osier \S+: http:\/\/(\S+) → .* admin on http:\/\/(\S+)$/.exec(line);
      if (announced) found({ gateway: announced[1], admin: announced[2] });
    });
    ended.then(() => failed(new Error(`the demo ended: ${said.join(' | ')}`)));
  });
  return {
    ...where,
    url: `http://${where.admin}/`,
    // Without a drain: as if it had crashed.
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

// A request by curl; `answer` is its whole output when it has ended.
export function curl(gateway, path) {
  const child = spawn('curl', ['-s', '-i', '-m', '60', '--path-as-is', '-g', `http://${gateway}${path}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const running = { hasEnded: false, stop: () => child.kill('SIGKILL') };
  running.answer = new Promise((done) => {
    let text = '';
    child.stdout.on('data', (piece) => (text += piece));
    child.once('close', () => {
      running.hasEnded = true;
      done(text);
    });
  });
  return running;
}
