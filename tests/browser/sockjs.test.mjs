// sockjs-client 1.1.2 and 1.6.1 in a browser, by each transport in turn, on a page of another site and on one of the server's
// own, with the tutorial's STOMP client over it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after } from 'node:test';

import { test } from './support/house.mjs';

const { resolve } = createRequire(import.meta.url);
const VERSIONS = ['1.1.2', '1.6.1'];
/** Those that a browser of today can have from another site. */
const FROM_ELSEWHERE = [
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

const files = { '/stomp.js': await readFile(resolve('stompjs/lib/stomp.js')) };
for (const version of VERSIONS) {
  const folder = dirname(resolve(`sockjs-client-${version}/package.json`));
  files[`/sockjs-${version}.js`] = await readFile(join(folder, 'dist', 'sockjs.min.js'));
  const scripts = `<script src="/sockjs-${version}.js"></script><script src="/stomp.js"></script>`;
  files[`/old-page-${version}`] = Buffer.from(`<!doctype html><html><head>${scripts}</head><body></body></html>`);
}

const kind = (path) => (path.endsWith('.js') ? 'text/javascript' : 'text/html');
const elsewhere = createServer((request, response) => {
  const file = files[request.url];
  response.writeHead(file ? 200 : 204, { 'Content-Type': kind(request.url) });
  response.end(file);
});
await new Promise((listening) => elsewhere.listen(0, '127.0.0.1', listening));
after(() => elsewhere.close());
const { port } = elsewhere.address();
/** The same server by two names: the one is allowed, and the other is not. */
const FRIEND = `http://localhost:${port}`;
const STRANGER = `http://127.0.0.1:${port}`;
/** One person says all of it. */
const MANY = { LIMITS__MESSAGES_PER_SECOND: 1_000, LIMITS__MESSAGES_BURST: 1_000 };
/** The old client breaks off receiving right behind DISCONNECT, which then may find its session ended. */
const LATE = /404 POST .*\/xhr_send|404 \(Not Found\).*\/xhr_send/;
const KEYS = { ALLOWED_ORIGINS: FRIEND, ...MANY };

// Runs inside the page.
function talk({ address, transport, token, roomId, count }) {
  return new Promise((done, failed) => {
    const socket = new SockJS(address, null, { transports: [transport] });
    socket.addEventListener('close', ({ code, reason }) => failed(new Error(`${transport}: closed: ${code} ${reason}`)));
    const late = setTimeout(() => failed(new Error(`nothing more came by ${transport}`)), 15_000);
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

async function talks(house, page, transport) {
  const roomId = await house.room(transport);
  const token = await house.server.command(['token', 'issue', 'minsu']);
  const address = `${house.url}/ws-stomp`;
  const { used, heard } = await page.evaluate(talk, { address, transport, token, roomId, count: MESSAGES });
  assert.equal(used, transport);
  assert.deepEqual(heard.map(({ offset }) => offset), Array.from(heard, (_, at) => at + 1));
  const expected = Array.from({ length: MESSAGES }, (_, number) => `${number} 안녕 100% 👋 "\u2028" </script>`);
  assert.deepEqual(heard.slice(1).map(({ message }) => message), expected);
}

for (const version of VERSIONS) {
  test(`a page of another site talks with sockjs-client ${version} by every transport`, KEYS, async (house) => {
    house.deliberate(LATE);
    await house.account('minsu');
    const { page } = await house.stranger();
    await page.goto(`${FRIEND}/old-page-${version}`);
    for (const transport of FROM_ELSEWHERE) await talks(house, page, transport);
  });

  test(`a page of the server itself talks with sockjs-client ${version} by every transport`, MANY, async (house) => {
    house.deliberate(LATE);
    await house.account('minsu');
    // A document of the server's, with the scripts of an old page: the policy is our own page's, and would refuse frames.
    const { context, page } = await house.stranger({ bypassCSP: true });
    for (const path of [`/sockjs-${version}.js`, '/stomp.js']) {
      const file = { body: files[path], contentType: kind(path) };
      await context.route(`${house.url}${path}`, (route) => route.fulfill(file));
    }
    await page.goto('/about');
    for (const url of [`/sockjs-${version}.js`, '/stomp.js']) await page.addScriptTag({ url });
    for (const transport of ['websocket', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling']) {
      await talks(house, page, transport);
    }
  });

  test(`a page that is not allowed gets nowhere with sockjs-client ${version}`, KEYS, async (house) => {
    house.deliberate(/answer: 403/, /CORS policy|ERR_FAILED|Failed to load resource|frame-ancestors|WebSocket|MIME/, /^request: /);
    await house.account('minsu');
    const { page } = await house.stranger();
    await page.goto(`${STRANGER}/old-page-${version}`);
    for (const transport of FROM_ELSEWHERE) {
      const address = `${house.url}/ws-stomp`;
      const closed = await page.evaluate(
        ([address, transport]) =>
          new Promise((done) => {
            const socket = new SockJS(address, null, { transports: [transport] });
            socket.onopen = () => done('open');
            socket.onclose = ({ code }) => done(code);
          }),
        [address, transport],
      );
      assert.equal(closed, 1002, 'it is not even told what there is');
    }
    // Without asking first: a script and a frame of the server's.
    const loaded = await page.evaluate(async (address) => {
      const script = document.createElement('script');
      script.src = `${address}/0/abcdefgh/jsonp?c=heard`;
      window.heard = () => {
        window.hasHeard = true;
      };
      await new Promise((done) => {
        script.onload = script.onerror = done;
        document.head.append(script);
      });
      return window.hasHeard === true;
    }, `${house.url}/ws-stomp`);
    assert.equal(loaded, false);
  });
}
