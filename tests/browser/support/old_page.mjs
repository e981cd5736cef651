// A page as the tutorial's readers wrote theirs: sockjs-client, of the tutorial's version and of the newest, with stompjs 2.3.3
// over it. `old-page-VERSION` is a document with both; the functions run inside such a page.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after } from 'node:test';

import { PASSWORD } from './house.mjs';

const { resolve } = createRequire(import.meta.url);

export const VERSIONS = ['1.1.2', '1.6.1'];
/** Those that a browser of today can have on a page of the server's own site. */
export const AT_HOME = ['websocket', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];
/** And from another one. */
export const FROM_ELSEWHERE = [
  'websocket',
  'xhr-streaming',
  'eventsource',
  'iframe-eventsource',
  'iframe-htmlfile',
  'xhr-polling',
  'iframe-xhr-polling',
  'jsonp-polling',
];
const MESSAGES = 30;
/** Makes sockjs-client patient, where it is loaded already. */
export const PATIENT = 'SockJS.prototype.countRTO = () => 5000;';

/** The files of the pages by their names. */
export const files = {
  'stomp.js': await readFile(resolve('stompjs/lib/stomp.js')),
  // A client gives up a transport that has not opened after once or twice (by transport) the time that it takes one request to
  // need: some 300 ms, which a busy machine may let pass. Five seconds are a failure.
  'patience.js': Buffer.from(PATIENT),
};
for (const version of VERSIONS) {
  const folder = dirname(resolve(`sockjs-client-${version}/package.json`));
  files[`sockjs-${version}.js`] = await readFile(join(folder, 'dist', 'sockjs.min.js'));
  const scripts = [`sockjs-${version}.js`, 'patience.js', 'stomp.js'].map((file) => `<script src="${file}"></script>`).join('');
  const page = `<!doctype html><html><head><link rel="icon" href="data:,">${scripts}</head><body></body></html>`;
  files[`old-page-${version}.html`] = Buffer.from(page);
}

/** Another site, which gives out the files for as long as a file of tests runs, by two names: two origins of one server. */
export async function elsewhere() {
  const server = createServer((request, response) => {
    const name = request.url.slice(1);
    response.writeHead(files[name] ? 200 : 204, { 'Content-Type': name.endsWith('.js') ? 'text/javascript' : 'text/html' });
    response.end(files[name]);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  after(() => server.close());
  const { port } = server.address();
  return { friend: `http://localhost:${port}`, stranger: `http://127.0.0.1:${port}` };
}

/** The old client breaks off receiving right behind DISCONNECT, which then may find its session ended. */
export const LATE = /404 POST .*\/xhr_send|404 \(Not Found\).*\/xhr_send/;

/** Signs in by the server's form on a page of its own site, and answers with the token that the page then gets. */
export function signsIn(page, username) {
  return page.evaluate(
    async (form) => {
      await fetch('/login', { method: 'POST', body: new URLSearchParams(form) });
      const { name, token } = await (await fetch('/chat/user')).json();
      if (name !== form.username) throw new Error(`signed in as ${name}`);
      return token;
    },
    { username, password: PASSWORD },
  );
}

/**
 * Says things by one transport (`undefined`: the client's own choice) to the server at `url`, and hears all of it. Answers
 * with the transport that was used.
 */
export async function talks(page, { url, transport, token, roomId }) {
  const given = { address: `${url}/ws-stomp`, transport, token, roomId, count: MESSAGES };
  const { used, heard } = await page.evaluate(talk, given);
  if (transport) assert.equal(used, transport);
  assert.deepEqual(heard.map(({ offset }) => offset), Array.from(heard, (_, at) => at + 1));
  const expected = Array.from({ length: MESSAGES }, (_, number) => `${number} 안녕 100% 👋 "\u2028" </script>`);
  assert.deepEqual(heard.slice(1).map(({ message }) => message), expected);
  return used;
}

// Runs inside the page.
function talk({ address, transport, token, roomId, count }) {
  return new Promise((done, failed) => {
    const socket = new SockJS(address, null, transport ? { transports: [transport] } : {});
    socket.addEventListener('close', ({ code, reason }) => failed(new Error(`${transport}: closed: ${code} ${reason}`)));
    const late = setTimeout(() => failed(new Error(`nothing more came by ${transport}`)), 30_000);
    const client = Stomp.over(socket);
    client.debug = null;
    const heard = [];
    client.connect(
      { token },
      () => {
        const used = socket.transport;
        client.subscribe(`/sub/chat/room/${roomId}`, ({ body }) => {
          const entry = JSON.parse(body);
          heard.push(entry);
          if (heard.length > count) {
            clearTimeout(late);
            client.disconnect();
            done({ used, heard });
          }
        });
        for (let number = 0; number < count; number += 1) {
          const message = `${number} 안녕 100% 👋 "\u2028" </script>`;
          client.send('/pub/chat/message', { token }, JSON.stringify({ type: 'TALK', roomId, message }));
        }
      },
      (why) => why.body && failed(new Error(`${transport}: ${why.body}`)),
    );
  });
}

/**
 * Runs inside the page: somebody who stays. `chat` then is who they are to a test: `heard` are all entries in the order in
 * which they came, `waiting` those messages of the own that have no receipt yet, which are said again after each break;
 * `connections` the transports that it had so far.
 */
export function stays({ address, transport, token, roomId }) {
  const waiting = new Map();
  const chat = { heard: [], waiting, connections: [], refused: [] };
  let client;
  let spoken = 0;
  const send = ([id, body]) => client.send('/pub/chat/message', { token, id, receipt: id }, body);
  const connect = () => {
    const socket = new SockJS(address, null, transport ? { transports: [transport] } : {});
    client = Stomp.over(socket);
    client.debug = null;
    client.onreceipt = ({ headers }) => waiting.delete(headers['receipt-id']);
    const entered = () => {
      chat.connections.push(socket.transport);
      const last = chat.heard.at(-1)?.offset;
      const headers = last === undefined ? {} : { after: String(last) };
      client.subscribe(`/sub/chat/room/${roomId}`, ({ body }) => chat.heard.push(JSON.parse(body)), headers);
      [...waiting].forEach(send);
    };
    const lost = (why) => {
      if (why.body) chat.refused.push(why.body);
      setTimeout(connect, 50 + Math.random() * 200);
    };
    client.connect({ token }, entered, lost);
  };
  chat.say = (message) => {
    spoken += 1;
    const mine = [`${token.slice(-20)}-${spoken}`, JSON.stringify({ type: 'TALK', roomId, message })];
    waiting.set(...mine);
    if (client.connected) send(mine);
  };
  window.chat = chat;
  connect();
}
