// What the suites stand on: the server that `run` has started, its command line, and sockets that are watched from
// below the client, so that what a client believes can be compared with what was really on the wire.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import WebSocket from 'ws';

const { CLIENTS_BINARY, CLIENTS_DATA, CLIENTS_URL, CLIENTS_WORK } = process.env;
if (!CLIENTS_URL) throw new Error('start the suites with tests/clients/run: they need a server');

/** Where STOMP is spoken. */
export const ENDPOINT = `${CLIENTS_URL.replace('http', 'ws')}/ws-stomp`;

/** How long anything may take before a test gives up; nothing waits it out when all is well. */
const PATIENCE_MS = 20_000;

/** Every socket that was opened: what a failed test leaves behind would keep the process alive. */
const sockets = [];

/** Closes what was left open. */
export const closeAll = () => sockets.forEach((socket) => socket.terminate());

/** Waits. */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A promise that does not wait for ever. */
export function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Processes that work on the data at once: more of them would only wait for each other, and not for ever. */
const COMMANDS_MAX = 4;
let commands = 0;
const waiting = [];

async function command(...args) {
  if (commands === COMMANDS_MAX) await new Promise((resolve) => waiting.push(resolve));
  else commands += 1;
  try {
    const all = [...args, '--data', CLIENTS_DATA];
    const { stdout } = await promisify(execFile)(CLIENTS_BINARY, all, { cwd: CLIENTS_WORK });
    return stdout.trim();
  } finally {
    // Whoever waits takes this one's place.
    const next = waiting.shift();
    if (next) next();
    else commands -= 1;
  }
}

/** A token of somebody. */
export const token = (name) => command('token', 'issue', name);

/** The id of a new room. */
export const room = async () => JSON.parse(await command('room', 'create', '사랑방', '--json')).roomId;

/** Signs somebody in as the tutorial's page does: by its form, its cookie, and its calls. `url` is where the server is reached. */
export async function signIn(url, name) {
  const form = (fields) => ({ method: 'POST', redirect: 'manual', body: new URLSearchParams(fields) });
  const signedIn = await fetch(`${url}/login`, form({ username: name, password: 'correct horse battery' }));
  if (signedIn.status !== 302 || signedIn.headers.get('location') !== '/chat/room') {
    throw new Error(`${name} cannot sign in: ${signedIn.status} ${await signedIn.text()}`);
  }
  // A browser says by itself which page asks.
  const headers = { cookie: signedIn.headers.get('set-cookie').split(';')[0], origin: url };
  const user = await (await fetch(`${url}/chat/user`, { headers })).json();
  if (user.name !== name) throw new Error(`${name} is signed in as ${user.name}`);
  const makeRoom = async (roomName) => {
    const made = await (await fetch(`${url}/chat/room`, { ...form({ name: roomName }), headers })).json();
    const rooms = await (await fetch(`${url}/chat/rooms`, { headers })).json();
    if (!rooms.some(({ roomId }) => roomId === made.roomId)) throw new Error(`${made.roomId} is not listed`);
    return made.roomId;
  };
  return { held: user.token, makeRoom };
}

/**
 * A WebSocket, watched: `wire.beatsIn` and `wire.beatsOut` count heart-beats, `wire.closed` is the close code to come.
 */
export function webSocket(protocols) {
  const socket = new WebSocket(ENDPOINT, protocols);
  sockets.push(socket);
  const wire = { beatsIn: 0, beatsOut: 0 };
  const send = socket.send;
  socket.send = (data, ...rest) => {
    if (String(data) === '\n') wire.beatsOut += 1;
    return send.call(socket, data, ...rest);
  };
  socket.on('message', (data) => {
    if (String(data) === '\n') wire.beatsIn += 1;
  });
  wire.closed = new Promise((resolve) => socket.on('close', resolve));
  return { socket, wire };
}

/** Frames in the order in which they came, to be waited for. */
export class Inbox {
  #frames = [];
  #wake = () => {};

  put(command, { headers, body }) {
    this.#frames.push({ command, headers, body });
    this.#wake();
  }

  /** The next frame of these commands; others stay where they are. */
  next(...commands) {
    const take = async () => {
      for (;;) {
        const at = this.#frames.findIndex((frame) => commands.includes(frame.command));
        if (at >= 0) return this.#frames.splice(at, 1)[0];
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    return soon(take(), commands.join(' or '));
  }

  /** The receipt of that id. */
  async receipt(id) {
    const frame = await this.next('RECEIPT');
    if (frame.headers['receipt-id'] !== id) {
      throw new Error(`the receipt ${id} was expected, ${frame.headers['receipt-id']} came`);
    }
    return frame;
  }

  /** The next message, its body read. */
  async entry() {
    return JSON.parse((await this.next('MESSAGE')).body);
  }

  /** How many frames have come and were not taken. */
  get length() {
    return this.#frames.length;
  }
}
