// SockJS clients through an nginx that hands on no Upgrade and gathers answers: each transport that can get through, and the
// client's own choice, which tries a WebSocket first.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import SockJS112 from 'sockjs-client-1.1.2';
import SockJS161 from 'sockjs-client-1.6.1';

import { Nginx } from '../support/nginx.mjs';
import { overSockJs } from './over_sockjs.mjs';
import { sleep, soon } from './support.mjs';

const server = new URL(process.env.CLIENTS_URL).host;
const nginx = await Nginx.start([server]);
/** The same for whom the server's wish not to be gathered counts for nothing. */
const gathering = await Nginx.start([server], { more: 'proxy_ignore_headers X-Accel-Buffering;' });
after(() => Promise.all([nginx.stop(), gathering.stop()]));

const opened = (socket) =>
  soon(
    new Promise((resolve, reject) => {
      socket.onopen = () => resolve(socket.transport);
      socket.onclose = ({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`));
    }),
    'the opening',
  );

for (const SockJS of [SockJS112, SockJS161]) {
  test(`a WebSocket of sockjs-client ${SockJS.version} gets nowhere`, async () => {
    const socket = new SockJS(`${nginx.url}/ws-stomp`, null, { transports: ['websocket'] });
    await assert.rejects(opened(socket), /closed with (1002|2000)/);
    // It notes what it has handed on once the client may have it already.
    const noted = async () => {
      for (;;) {
        const tried = (await nginx.handedOn()).filter(({ path }) => path.endsWith('/websocket'));
        if (tried.length > 0) return tried;
        await sleep(20);
      }
    };
    const tried = await soon(noted(), 'its log');
    assert.ok(tried.every(({ status }) => status === 400), JSON.stringify(tried));
  });

  test(`where answers are gathered all the same, sockjs-client ${SockJS.version} comes to polling by itself`, async () => {
    const socket = new SockJS(`${gathering.url}/ws-stomp`);
    assert.equal(await opened(socket), 'xhr-polling');
    socket.close();
  });
}

overSockJs(nginx.url, [
  { name: 'nginx-xhr-streaming', chosen: 'xhr-streaming', expected: 'xhr-streaming' },
  { name: 'nginx-eventsource', chosen: 'eventsource', expected: 'eventsource' },
  { name: 'nginx-xhr-polling', chosen: 'xhr-polling', expected: 'xhr-polling' },
  { name: 'nginx-choice', expected: 'xhr-streaming' },
]);
