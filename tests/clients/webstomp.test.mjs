// webstomp-client 1.2.6.
//
// A bug of its own, which no server can heal: it neither escapes nor unescapes header values (`Frame.toString` and
// `unmarshallSingle` have no code for it). The server reads its unescaped colons. What is sent back to it with a colon
// arrives escaped, as STOMP 1.2 demands, and stays so: a subscription id with a colon finds no callback, and a receipt
// reads `at 12\c30`.

import webstomp from 'webstomp-client';

import { suite } from './suite.mjs';
import { Inbox, webSocket } from './support.mjs';

function open({ headers, beats }) {
  // It takes the version from the subprotocol that the server chose.
  const { socket, wire } = webSocket(['v12.stomp']);
  const inbox = new Inbox();
  const client = webstomp.over(socket, { debug: false, heartbeat: beats });
  client.onreceipt = (frame) => inbox.put('RECEIPT', frame);
  // After ERROR it calls the same function with the close event.
  const failed = (frame) => frame.command && inbox.put('ERROR', frame);
  client.connect(headers, (frame) => inbox.put('CONNECTED', frame), failed);
  return {
    inbox,
    wire,
    subscribe: (id, destination, more = {}) =>
      client.subscribe(destination, (frame) => inbox.put('MESSAGE', frame), { ...more, id }),
    unsubscribe: (id, more) => client.unsubscribe(id, more),
    send: ({ destination, ...more }, body) => client.send(destination, body, more),
    begin: (id) => client.begin(id),
    commit: (id) => client.commit(id),
    ack: ({ headers }) => client.ack(headers.ack, headers.subscription),
    // It closes the WebSocket at once; the receipt still comes before the server's own close frame.
    async disconnect(receipt) {
      client.disconnect(() => {}, { receipt });
      await inbox.receipt(receipt);
    },
    drop: () => socket.terminate(),
  };
}

suite({ name: 'webstomp', version: '1.2', unescapes: false, unsubscribesWithHeaders: true, open });
