// A Redis of a test's own: Debian's redis-server at a Unix socket in a folder of its own, keeping nothing.

import { spawn } from 'node:child_process';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const READY_MS = 10_000;
const LOOK_EVERY_MS = 20;

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Redis {
  #folder;
  #child;
  #ended;
  /** Where nodes find it, as `redis.url` has it. */
  url;

  static async start() {
    const redis = new Redis();
    const folder = await mkdtemp(join(tmpdir(), 'sarangbang-redis-'));
    const socket = join(folder, 'socket');
    const keeps = ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
    const child = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, ...keeps], { stdio: 'ignore' });
    running.add(child);
    redis.#folder = folder;
    redis.#child = child;
    redis.#ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    redis.url = `unix://${socket}`;
    for (const until = Date.now() + READY_MS; Date.now() < until; await new Promise((look) => setTimeout(look, LOOK_EVERY_MS))) {
      const isThere = await access(socket).then(() => true, () => false);
      if (isThere) return redis;
    }
    await redis.stop();
    throw new Error('redis-server did not start (tests/tools installs it)');
  }

  async stop() {
    this.#child.kill('SIGKILL');
    await this.#ended;
    running.delete(this.#child);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
