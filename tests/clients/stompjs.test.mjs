// @stomp/stompjs 7: what the page of Sarangbang itself uses.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '@stomp/stompjs';

import { stompjsOver } from './stompjs.mjs';
import { suite } from './suite.mjs';
import { Inbox, room, token, webSocket } from './support.mjs';

const PROTOCOLS = ['v12.stomp', 'v11.stomp', 'v10.stomp'];

function open(wishes) {
  const watched = webSocket(PROTOCOLS);
  return stompjsOver(watched, wishes, () => watched.socket.terminate());
}

suite({ name: 'stompjs', version: '1.2', unescapes: true, unsubscribesWithHeaders: true, open }, ({ people, inside }) => {
  test('its own reconnection, with after, gives every message once and in order', async () => {
    const roomId = await room();
    const jiyeon = await inside('jiyeon', roomId);
    const held = await token(people.minsu);
    const inbox = new Inbox();
    let socket;
    let last = 0;
    const client = new Client({
      webSocketFactory: () => ({ socket } = webSocket(PROTOCOLS)).socket,
      connectHeaders: { token: held },
      reconnectDelay: 100,
      onConnect() {
        const take = (frame) => {
          last = JSON.parse(frame.body).offset;
          inbox.put('MESSAGE', frame);
        };
        client.subscribe(`/sub/chat/room/${roomId}`, take, { after: String(last) });
      },
    });
    client.activate();
    const seen = [];
    for (let round = 1; round <= 3; round += 1) {
      jiyeon.say(roomId, `round ${round}`, { receipt: `r${round}` });
      await jiyeon.inbox.receipt(`r${round}`);
      for (let text = ''; text !== `round ${round}`; ) {
        const entry = await inbox.entry();
        seen.push(entry.offset);
        text = entry.message;
      }
      socket.terminate();
    }
    assert.deepEqual(seen, Array.from(seen, (_, at) => at + 1));
    await client.deactivate();
    jiyeon.drop();
  });
});
