// stompjs 2.3.3: what the tutorial's front-end and many others of its age use. It speaks STOMP 1.1 and cannot be told
// otherwise (`supportedVersions` answers '1.1,1.0').
//
// Bugs of its own, which no server can heal:
// - It neither escapes nor unescapes header values (`Frame.toString` and `unmarshallSingle` have no code for it). The
//   server reads its unescaped colons. What it sends back with a colon arrives escaped, as STOMP 1.1 demands, and
//   stays so: a subscription id with a colon finds no callback, and a receipt reads `at 12\c30`.
// - `unsubscribe` takes the id alone: no receipt can be asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import Stomp from 'stompjs';

import { suite } from './suite.mjs';
import { ENDPOINT, Inbox, room, token, webSocket } from './support.mjs';

/** What the old calls look like over any of its sockets. */
function connect(client, headers, beats) {
  const inbox = new Inbox();
  client.debug = null;
  client.heartbeat = beats;
  client.onreceipt = (frame) => inbox.put('RECEIPT', frame);
  // After ERROR it calls the same function with a text when the socket closes.
  const failed = (frame) => typeof frame === 'string' || inbox.put('ERROR', frame);
  client.connect(headers, (frame) => inbox.put('CONNECTED', frame), failed);
  return {
    inbox,
    subscribe: (id, destination, more = {}) =>
      client.subscribe(destination, (frame) => inbox.put('MESSAGE', frame), { ...more, id }),
    unsubscribe: (id) => client.unsubscribe(id),
    send: ({ destination, ...more }, body) => client.send(destination, more, body),
    begin: (id) => client.begin(id),
    commit: (id) => client.commit(id),
    ack: ({ headers }) => client.ack(headers['message-id'], headers.subscription),
    // It closes the WebSocket at once; the receipt still comes before the server's own close frame.
    async disconnect(receipt) {
      client.disconnect(() => {}, { receipt });
      await inbox.receipt(receipt);
    },
  };
}

function open({ headers, beats }) {
  const { socket, wire } = webSocket(['v10.stomp', 'v11.stomp']);
  return Object.assign(connect(Stomp.over(socket), headers, beats), { wire, drop: () => socket.terminate() });
}

suite({ name: 'stompjs2', version: '1.1', unescapes: false, open }, ({ inside, people }) => {
  test('it talks over the WebSocket that it brings itself, too', async () => {
    const roomId = await room();
    const jiyeon = await inside('jiyeon', roomId);
    const held = await token(people.minsu);
    const client = Stomp.overWS(ENDPOINT);
    const minsu = connect(client, { token: held }, { outgoing: 0, incoming: 0 });
    await minsu.inbox.next('CONNECTED');
    const body = JSON.stringify({ type: 'TALK', roomId, message: '옛 친구 👋' });
    minsu.send({ destination: '/pub/chat/message', token: held, receipt: 'said' }, body);
    await minsu.inbox.receipt('said');
    assert.equal((await jiyeon.inbox.entry()).message, '옛 친구 👋');
    // That WebSocket hands over nothing more once close() was called: here the receipt of DISCONNECT is never seen.
    client.disconnect();
    jiyeon.drop();
  });
});
