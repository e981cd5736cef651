// sockjs-client 1.1.2, which the tutorial's front-end uses, and 1.6.1, the newest, each by every transport that it has in
// Node, with @stomp/stompjs 7 over it: all that the clients over WebSockets can do. And stompjs 2.3.3 over it, as the tutorial
// has it.
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
import { Inbox, room, token } from './support.mjs';

const ADDRESS = `${process.env.CLIENTS_URL}/ws-stomp`;
/** Said by one person at a time: less than `limits.messages_burst` allows beside what the other tests say. */
const MESSAGES = 15;
const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

const sockets = [];
after(() => sockets.forEach((socket) => socket.close()));

/** A SockJS by one transport, watched as `webSocket` watches a WebSocket. */
function sockJs(SockJS, transport) {
  const socket = new SockJS(ADDRESS, null, { transports: [transport] });
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
  socket.addEventListener('open', () => assert.equal(socket.transport, transport));
  wire.closed = new Promise((resolve) => {
    socket.addEventListener('close', ({ code, reason }) => {
      if (![1000, 1008].includes(code)) console.error(`${transport}: closed with ${code} ${reason}`);
      resolve(code);
    });
  });
  return { socket, wire };
}

function opener(SockJS, transport) {
  return (wishes) => {
    const watched = sockJs(SockJS, transport);
    return stompjsOver(watched, wishes, () => watched.socket.close());
  };
}

/** Everything at once: each suite has a silence of 25 seconds in it. */
describe('over SockJS', { concurrency: true }, () => {
  for (const [version, SockJS] of [['112', SockJS112], ['161', SockJS161]]) {
    assert.equal(SockJS.version.replaceAll('.', ''), version);
    for (const transport of TRANSPORTS) {
      const open = opener(SockJS, transport);
      const name = `sj${version}-${transport}`;
      suite({ name, version: '1.2', unescapes: true, unsubscribesWithHeaders: true, open }, ({ inside, people }) => {
        test('the tutorial\'s own client talks over it, every message once and in order, and comes back', async () => {
          const roomId = await room();
          const jiyeon = await inside('jiyeon', roomId);
          const held = await token(people.minsu);
          const destination = `/sub/chat/room/${roomId}`;
          let seen = 0;
          for (const round of [1, 2]) {
            const inbox = new Inbox();
            const { socket } = sockJs(SockJS, transport);
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
