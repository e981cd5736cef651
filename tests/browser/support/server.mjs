// A server of one's own: its data in a folder of its own, on a port that the system chose. It is stopped by its
// process id, also when the test that started it breaks off.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { soon } from './waiting.mjs';

const { BROWSER_BINARY } = process.env;
if (!BROWSER_BINARY) throw new Error('start the tests with tests/browser/run: they need a server');

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Server {
  #folder;
  #data;
  #env;
  #child;
  #ended;
  #log = '';
  /** Where it is, for example http://127.0.0.1:40123. Stays the same when it is started again. */
  url;

  /** `keys` are keys of the configuration by the names of their environment variables, without SARANGBANG_. */
  static async start(keys = {}) {
    const server = new Server();
    server.#folder = await mkdtemp(join(tmpdir(), 'sarangbang-browser-'));
    server.#data = join(server.#folder, 'data');
    const named = Object.entries(keys).map(([key, value]) => [`SARANGBANG_${key}`, String(value)]);
    // Several servers run side by side, and one of them would have the operator's port.
    server.#env = { ...process.env, SARANGBANG_OPERATOR__LISTEN: 'off', ...Object.fromEntries(named) };
    await server.#serve('127.0.0.1:0');
    return server;
  }

  /** The same server again, on its old port with its old data. */
  async startAgain() {
    await this.#serve(new URL(this.url).host);
  }

  async #serve(listen) {
    const child = spawn(BROWSER_BINARY, ['serve', '--listen', listen, '--data', this.#data], {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    this.#ended = new Promise((resolve) => {
      child.on('exit', () => {
        running.delete(child);
        resolve();
      });
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (this.#log += text));
    const ready = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', (line) => resolve(line.replace(/^ready /, '')));
      child.once('exit', () => reject(new Error(`the server ended at once:\n${this.#log}`)));
    });
    this.url = await soon(ready, 'the line "ready"');
  }

  /** Takes away a table without which nothing can be written, or gives it back. */
  async storeIsAway(away) {
    const [from, to] = away ? ['change', 'change_away'] : ['change_away', 'change'];
    const rename = 'import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=20).execute(sys.argv[2])';
    const file = join(this.#data, 'sarangbang.db');
    await promisify(execFile)('python3', ['-c', rename, file, `ALTER TABLE ${from} RENAME TO ${to}`]);
  }

  /** As a power cut would end it. */
  async pullThePlug() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async stop() {
    // Nobody is left whom it could ask to come back, so there is no need to give it time for that.
    await this.pullThePlug();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What it has said so far on stderr. */
  get log() {
    return this.#log;
  }

  /** The link that the first start prints. */
  get setupLink() {
    return /http:\S+\/setup\?key=[\w-]+/.exec(this.#log)?.[0];
  }

  /** Runs a verb of the command line on this server's data, and gives what it printed. */
  command(verb, input = '') {
    return new Promise((resolve, reject) => {
      const options = { cwd: this.#folder, env: this.#env };
      const child = execFile(BROWSER_BINARY, [...verb, '--data', this.#data], options, (error, stdout, stderr) => {
        if (error) reject(new Error(`${verb.join(' ')}: ${stderr}`));
        else resolve(stdout.trim());
      });
      // Whoever refuses the command does not read its input.
      child.stdin.on('error', () => {}).end(input);
    });
  }
}
