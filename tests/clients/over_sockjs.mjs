// sockjs-client 1.1.2, which the tutorial's front-end uses, and 1.6.1, the newest, each by every transport that it has in
// Node, with @stomp/stompjs 7 over it: all that the clients over WebSockets can do. And stompjs 2.3.3 over it, as the tutorial
// has it, signed in by the tutorial's calls.
//
// A SockJS that is closed hands over nothing more, not even what is on its way: stompjs 2.3.3 closes its socket right behind
// DISCONNECT, and by requests that frame may never leave. The person leaves all the same, as the connection is lost.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import SockJS112 from 'sockjs-client-1.1.2';
import SockJS161 from 'sockjs-client-1.6.1';
import Stomp from 'stompjs';

import { stompjsOver } from './stompjs.mjs';
import { suite } from './suite.mjs';
import { Inbox, signIn } from './support.mjs';

/** Said by one person at a time: less than `limits.messages_burst` allows beside what the other tests say. */
const MESSAGES = 15;

/**
 * How long the clients take an answer to be on its way, in milliseconds; a transport that has not opened after two such times is
 * given up. They would measure one request on a quiet line, which says nothing here: hundreds open at once in one process.
 */
const ROUND_TRIP_MS = 5_000;
for (const SockJS of [SockJS112, SockJS161]) SockJS.prototype.countRTO = () => ROUND_TRIP_MS;

const sockets = [];
after(() => sockets.forEach((socket) => socket.close()));

/** A SockJS, watched as `webSocket` watches a WebSocket. */
function sockJs(SockJS, url, { chosen, expected }) {
  const socket = new SockJS(`${url}/ws-stomp`, null, chosen ? { transports: [chosen] } : {});
  sockets.push(socket);
  const wire = { beatsIn: 0, beatsOut: 0 };
  const send = socket.send;
  socket.send = (data) => {
    if (String(data) === '\n') wire.beatsOut += 1;
    return send.call(socket, data);
  };
  socket.addEventListener('message', ({ data }) => {
    if (data === '\n') wire.beatsIn += 1;
  });
  socket.addEventListener('open', () => assert.equal(socket.transport, expected));
  wire.closed = new Promise((resolve) => {
    socket.addEventListener('close', ({ code, reason }) => {
      if (![1000, 1008].includes(code)) console.error(`${expected}: closed with ${code} ${reason}`);
      resolve(code);
    });
  });
  return { socket, wire };
}

/**
 * Everything at once: each suite has a silence of 25 seconds in it. `ways` are `{ name, chosen, expected }`: the transport
 * that the client is told to use, or none, and the one that it must come to. Two accounts of each suite, `minsu-` and
 * `jiyeon-` with `sj112-` or `sj161-` and the way's name, must be there.
 */
export function overSockJs(url, ways) {
  describe('over SockJS', { concurrency: true }, () => {
    for (const [version, SockJS] of [['112', SockJS112], ['161', SockJS161]]) {
      assert.equal(SockJS.version.replaceAll('.', ''), version);
      for (const way of ways) {
        const open = (wishes) => {
          const watched = sockJs(SockJS, url, way);
          return stompjsOver(watched, wishes, () => watched.socket.close());
        };
        const name = `sj${version}-${way.name}`;
        suite({ name, version: '1.2', unescapes: true, unsubscribesWithHeaders: true, open }, ({ inside, people }) => {
          test('the tutorial\'s own client signs in and talks, every message once and in order, and comes back', async () => {
            const { held, makeRoom } = await signIn(url, people.minsu);
            const roomId = await makeRoom('사랑방');
            const jiyeon = await inside('jiyeon', roomId);
            const destination = `/sub/chat/room/${roomId}`;
            let seen = 0;
            for (const round of [1, 2]) {
              const inbox = new Inbox();
              const { socket } = sockJs(SockJS, url, way);
              const minsu = Stomp.over(socket);
              minsu.debug = null;
              minsu.connect({ token: held }, (frame) => inbox.put('CONNECTED', frame), (why) => why.body && inbox.put('ERROR', why));
              await inbox.next('CONNECTED');
              const headers = seen > 0 ? { after: String(seen) } : {};
              minsu.subscribe(destination, (frame) => inbox.put('MESSAGE', frame), headers);
              const texts = Array.from({ length: MESSAGES }, (_, number) => `${round}-${number} 안녕 100% 👋 "\u2028"`);
              const body = (message) => JSON.stringify({ type: 'TALK', roomId, message });
              for (const text of texts) minsu.send('/pub/chat/message', { token: held }, body(text));
              const heard = async (of, told) => {
                const said = [];
                while (said.length < MESSAGES) {
                  const entry = await of.entry();
                  if (of === inbox) assert.equal(entry.offset, (seen = seen ? seen + 1 : entry.offset), 'once and in order');
                  if (entry.type === 'TALK') said.push(entry.message);
                }
                assert.deepEqual(said, told);
              };
              await heard(inbox, texts);
              await heard(jiyeon.inbox, texts);
              socket.close();
            }
            jiyeon.drop();
          });
        });
      }
    }
  });
}
