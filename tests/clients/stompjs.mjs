// @stomp/stompjs 7 over any socket, as the suite wants to speak with it.

import assert from 'node:assert/strict';

import { Client } from '@stomp/stompjs';

import { Inbox, soon } from './support.mjs';

/** Speaks over a socket that is watched on its `wire`. `drop` breaks it off without a word of STOMP. */
export function stompjsOver({ socket, wire }, { headers, beats }, drop) {
  const inbox = new Inbox();
  const subscriptions = new Map();
  const client = new Client({
    webSocketFactory: () => socket,
    connectHeaders: headers,
    heartbeatOutgoing: beats.outgoing,
    heartbeatIncoming: beats.incoming,
    reconnectDelay: 0,
    onConnect: (frame) => inbox.put('CONNECTED', frame),
    onStompError: (frame) => inbox.put('ERROR', frame),
    onUnhandledReceipt: (frame) => inbox.put('RECEIPT', frame),
  });
  client.activate();
  return {
    inbox,
    wire,
    subscribe(id, destination, more = {}) {
      subscriptions.set(id, client.subscribe(destination, (frame) => inbox.put('MESSAGE', frame), { ...more, id }));
    },
    unsubscribe: (id, more) => subscriptions.get(id).unsubscribe(more),
    send: ({ destination, ...more }, body) => client.publish({ destination, headers: more, body }),
    begin: (id) => client.begin(id),
    commit: (id) => client.commit(id),
    ack: ({ headers }) => client.ack(headers.ack, headers.subscription),
    // It chooses the receipt itself, and holds back until the receipt has come.
    disconnect: () =>
      soon(
        new Promise((resolve) => {
          client.onDisconnect = (frame) => {
            assert.match(frame.headers['receipt-id'], /^close-/);
            resolve();
          };
          client.deactivate();
        }),
        'the receipt of DISCONNECT',
      ),
    drop,
  };
}
