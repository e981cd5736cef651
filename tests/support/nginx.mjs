// Debian's nginx in front of servers, as somebody has it who took its example and went on: WebSockets do not get through
// (it hands on no Upgrade), and answers are gathered. It runs without rights in a folder of its own, on a port of the loopback.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TRIES = 5;
const READY_MS = 10_000;
const LOOK_EVERY_MS = 20;

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort() {
  const holder = createServer();
  await new Promise((listening) => holder.listen(0, '127.0.0.1', listening));
  const { port } = holder.address();
  await new Promise((closed) => holder.close(closed));
  return port;
}

/** What is answered there, or nothing. */
async function told(url) {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(READY_MS / TRIES) })).text();
  } catch {
    return '';
  }
}

/**
 * The whole configuration. Every server is asked in turn; one that does not answer is asked again a second later, as the
 * operator of a few nodes would have it.
 */
function configuration({ folder, port, servers, files, more }) {
  const upstream = servers.map((server) => `server ${server} max_fails=1 fail_timeout=1s;`).join(' ');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${kind};`).join(' ');
  return `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  ${temporary}
  types { text/html html; text/javascript js; text/css css; }
  log_format told '$request_method $uri $status $upstream_addr';
  access_log access.log told;
  upstream chat { ${upstream} }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://chat;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      ${more}
    }
    location = /who { access_log off; return 200 '${folder}'; }
    ${files ? `location /old/ { alias ${files}/; }` : ''}
  }
}
`;
}

export class Nginx {
  #folder;
  #child;
  #ended;
  #said = '';
  /** Where it is, for example http://127.0.0.1:40123. */
  url;

  /**
   * One in front of these servers (`host:port`), each asked in turn. It gives out the files of a folder under /old/ itself;
   * `more` are further lines of its configuration for what it hands on.
   */
  static async start(servers, { files = '', more = '' } = {}) {
    for (let tries = 1; ; tries += 1) {
      const nginx = new Nginx();
      if (await nginx.#serves(await freePort(), { servers, files, more })) return nginx;
      await nginx.stop();
      if (tries === TRIES) throw new Error(`nginx did not start (tests/tools installs it):\n${nginx.#said}`);
    }
  }

  async #serves(port, settings) {
    this.#folder = await mkdtemp(join(tmpdir(), 'sarangbang-nginx-'));
    await writeFile(join(this.#folder, 'nginx.conf'), configuration({ folder: this.#folder, port, ...settings }));
    const PATH = `${process.env.PATH}:/usr/sbin`;
    const child = spawn('nginx', ['-p', this.#folder, '-c', 'nginx.conf', '-e', 'stderr'], {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    let isOver = false;
    this.#ended = new Promise((resolve) => {
      const over = (why) => {
        if (why instanceof Error) this.#said += why.message;
        isOver = true;
        running.delete(child);
        resolve();
      };
      child.once('exit', over).once('error', over);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (this.#said += text));
    this.url = `http://127.0.0.1:${port}`;
    for (const until = Date.now() + READY_MS; Date.now() < until && !isOver; await sleep(LOOK_EVERY_MS)) {
      // Another process may have taken the port meanwhile: then this one ends.
      if ((await told(`${this.url}/who`)) === this.#folder) return true;
    }
    return false;
  }

  /** What it has handed on: `{ method, path, status, server }` of each request that is over. */
  async handedOn() {
    const lines = (await readFile(join(this.#folder, 'access.log'), 'utf8')).trim().split('\n');
    return lines.map((line) => {
      const [method, path, status, server] = line.split(' ');
      return { method, path, status: Number(status), server };
    });
  }

  async stop() {
    this.#child.kill('SIGTERM');
    await this.#ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
