// A house for one test: a server, and people who come to it with browsers of their own. Whatever a browser complains
// about while the test runs (errors on the console, the content security policy, requests that failed) fails the
// test, unless the test has called it deliberate.

import assert from 'node:assert/strict';
import { after, test as nodeTest } from 'node:test';

import { chromium } from 'playwright-core';

import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { PATIENCE_MS } from './waiting.mjs';

export const PASSWORD = 'correct horse battery';
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
export const DESK = { viewport: { width: 1280, height: 800 } };

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let launched;

/** One browser for the tests of a file; each launch has a new, empty profile, and each person a context apart. */
function browser() {
  launched ??= chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
  return launched;
}

after(async () => (await launched)?.close());

/** A test in a house of its own. `keys` configure its server. */
export function test(sentence, keys, body) {
  if (!body) return test(sentence, {}, keys);
  return nodeTest(sentence, { timeout: 4 * PATIENCE_MS }, async () => {
    const house = new House(await Server.start(keys));
    try {
      await body(house);
      await house.noComplaints();
    } catch (error) {
      const said = [...house.complaints, ...house.server.log.split('\n').filter((line) => / (ERROR|WARN) /.test(line))];
      if (said.length > 0) error.message += `\n\nmeanwhile:\n${said.join('\n')}`;
      throw error;
    } finally {
      await house.close();
    }
  });
}

class House {
  complaints = [];
  #deliberate = [];
  #contexts = [];
  #alongside = [];

  constructor(server) {
    this.server = server;
  }

  get url() {
    return this.server.url;
  }

  /** What this test brings about by purpose, as it would stand among the complaints. */
  deliberate(...patterns) {
    this.#deliberate.push(...patterns);
  }

  /** Has somebody else (with a `stop()`) stay for as long as there are pages, which may talk to it until the end. */
  alongside(somebody) {
    this.#alongside.push(somebody);
    return somebody;
  }

  /** An account. */
  async account(name, role = 'user') {
    await this.server.command(['user', 'add', name, '--role', role, '--password-stdin'], `${PASSWORD}\n`);
  }

  /** The id of a new room. */
  async room(name) {
    return JSON.parse(await this.server.command(['room', 'create', name, '--json'])).roomId;
  }

  /** Somebody in front of a browser that knows nothing yet. */
  async stranger(options = {}) {
    const context = await (await browser()).newContext({ baseURL: this.url, locale: 'ko-KR', ...DESK, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    this.#contexts.push(context);
    await this.#listen(context);
    return new Person(context, await context.newPage());
  }

  /** Somebody who has an account and is signed in already, looking at `path`. */
  async guestAt(path, name, options) {
    const person = await this.stranger(options);
    const data = { username: name, password: PASSWORD };
    const answer = await person.context.request.post('/login', { data });
    assert.equal(answer.status(), 200, `${name} cannot sign in`);
    person.name = name;
    await person.page.goto(path);
    return person;
  }

  /** Somebody new with an account, signed in, in front of the room list. */
  async person(name, { role = 'user', ...options } = {}) {
    await this.account(name, role);
    const person = await this.guestAt('/chat/room', name, options);
    await person.at('room-list').waitFor();
    return person;
  }

  /** Has somebody say things in a room without a page, in order, each of them stored. */
  async tell(roomId, name, texts) {
    const token = await this.server.command(['token', 'issue', name]);
    const context = await (await browser()).newContext({ baseURL: this.url });
    try {
      const page = await context.newPage();
      await page.goto('/healthz');
      await page.evaluate(tellBySocket, { token, roomId, texts });
    } finally {
      await context.close();
    }
  }

  async #listen(context) {
    const complain = (what) => this.complaints.push(what);
    await context.exposeBinding('complainOfPolicy', (_, what) => complain(`policy: ${what}`));
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        globalThis.complainOfPolicy(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ''}`);
      });
    });
    context.on('console', (said) => {
      if (said.type() === 'error') complain(`console: ${said.text()} (${said.location().url})`);
    });
    context.on('weberror', (thrown) => complain(`thrown: ${thrown.error().stack}`));
    context.on('requestfailed', (request) => {
      // Going to another page ends what the old one still asked for.
      const why = request.failure()?.errorText;
      if (why !== 'net::ERR_ABORTED') complain(`request: ${request.method()} ${request.url()} ${why}`);
    });
    context.on('response', (response) => {
      const refused = response.status() >= 400;
      if (refused) complain(`answer: ${response.status()} ${response.request().method()} ${response.url()}`);
    });
  }

  async noComplaints() {
    const left = this.complaints.filter((what) => !this.#deliberate.some((pattern) => pattern.test(what)));
    assert.deepEqual(left, [], 'what the browsers complained about');
  }

  async close() {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await Promise.all([this.server, ...this.#alongside].map((one) => one.stop()));
  }
}

// Runs inside a page.
function tellBySocket({ token, roomId, texts }) {
  const frame = (command, headers, body = '') => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
    return `${[command, ...lines].join('\n')}\n\n${body}\0`;
  };
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${location.host}/ws-stomp`, ['v12.stomp']);
    const left = [...texts];
    const next = () => {
      if (left.length === 0) {
        socket.close();
        resolve();
        return;
      }
      const body = JSON.stringify({ type: 'TALK', roomId, message: left.shift() });
      socket.send(frame('SEND', { destination: '/pub/chat/message', token, receipt: 'said' }, body));
    };
    socket.onopen = () => socket.send(frame('CONNECT', { 'accept-version': '1.2', host: location.host, token }));
    socket.onmessage = ({ data }) => {
      if (/^(CONNECTED|RECEIPT)/.test(data)) next();
      else if (data.startsWith('ERROR')) reject(new Error(data));
    };
    socket.onclose = () => reject(new Error('the server closed the socket'));
  });
}
