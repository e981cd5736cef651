// What every client must be able to do, said once. A client is handed in as an adapter:
//
//   name       of the suite, and the end of its people's names
//   version    of STOMP that it negotiates
//   unescapes  whether it reads the escapes of header values, as STOMP 1.1 and 1.2 want it to
//   open({ headers, beats })  opens a socket and sends CONNECT; answers
//     { inbox, wire, subscribe(id, destination, headers), unsubscribe(id, headers), send(headers, body),
//       begin(id), commit(id), ack(frame), disconnect(receipt), drop() }

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { closeAll, room, sleep, token } from './support.mjs';

const SEND = '/pub/chat/message';
const ERRORS = '/user/queue/errors';
/** Both sides ask for more; the server's 10 s is what they agree on. */
const BEATS = { outgoing: 1_000, incoming: 1_000 };
/** Longer than two intervals: after that much silence the server hangs up on a client that sends no heart-beats. */
const SILENCE_MS = 25_000;

export function suite(adapter, more = () => {}) {
  const people = { minsu: `minsu-${adapter.name}`, jiyeon: `jiyeon-${adapter.name}` };

  /** Somebody, connected. */
  async function person(name, beats = BEATS) {
    const held = await token(people[name]);
    const connection = adapter.open({ headers: { token: held }, beats });
    const first = await connection.inbox.next('CONNECTED', 'ERROR');
    assert.equal(first.command, 'CONNECTED', first.headers.message);
    return Object.assign(connection, {
      connected: first.headers,
      token: held,
      say(roomId, message, headers = {}) {
        connection.send({ destination: SEND, token: held, ...headers }, JSON.stringify({ type: 'TALK', roomId, message }));
      },
    });
  }

  /** Somebody in a room, past the own ENTER. */
  async function inside(name, roomId, headers = {}) {
    const someone = await person(name);
    someone.subscribe('room', `/sub/chat/room/${roomId}`, headers);
    assert.equal((await someone.inbox.entry()).type, 'ENTER');
    return someone;
  }

  describe(adapter.name, { concurrency: true }, () => {
    after(closeAll);

    test('the token of CONNECT says who somebody is', async () => {
      const minsu = await person('minsu');
      assert.equal(minsu.connected['user-name'], people.minsu);
      assert.equal(minsu.connected.version, adapter.version);
      assert.equal(minsu.connected['heart-beat'], '10000,10000');
      assert.match(minsu.connected.server, /^Sarangbang\//);
      assert.ok(minsu.connected.session);
      minsu.drop();
    });

    test('two people hear each other come, talk in Hangul and emoji, and go', async () => {
      const roomId = await room();
      const minsu = await inside('minsu', roomId);
      const jiyeon = await inside('jiyeon', roomId);
      const enter = await minsu.inbox.entry();
      assert.equal(enter.message, `${people.jiyeon}님이 방에 입장했습니다.`);
      assert.deepEqual([enter.sender, enter.userCount], ['[알림]', 2]);

      const text = '안녕하세요 👩‍👩‍👧 "사랑방": \\n은 글자, \t은 탭';
      jiyeon.say(roomId, text);
      for (const someone of [minsu, jiyeon]) {
        const frame = await someone.inbox.next('MESSAGE');
        assert.equal(frame.headers.destination, `/sub/chat/room/${roomId}`);
        assert.equal(frame.headers['content-type'], 'application/json;charset=UTF-8');
        const entry = JSON.parse(frame.body);
        assert.deepEqual([entry.type, entry.sender, entry.message], ['TALK', people.jiyeon, text]);
        assert.equal(frame.headers['message-id'], `${roomId}-${entry.offset}`);
      }

      jiyeon.drop();
      const quit = await minsu.inbox.entry();
      assert.equal(quit.message, `${people.jiyeon}님이 방에서 나갔습니다.`);
      assert.deepEqual([quit.type, quit.userCount], ['QUIT', 1]);
      minsu.drop();
    });

    test('a receipt comes for SUBSCRIBE, for SEND and for UNSUBSCRIBE', async () => {
      const roomId = await room();
      const minsu = await person('minsu');
      minsu.subscribe('room', `/sub/chat/room/${roomId}`, { receipt: 'entered' });
      await minsu.inbox.receipt('entered');
      minsu.say(roomId, 'durable', { receipt: 'said' });
      await minsu.inbox.receipt('said');
      minsu.unsubscribe('room', { receipt: 'left' });
      if (adapter.unsubscribesWithHeaders) await minsu.inbox.receipt('left');
      minsu.drop();
    });

    test('a colon in a header value arrives as it was sent', async () => {
      const roomId = await room();
      const minsu = await inside('minsu', roomId);
      minsu.say(roomId, 'noted', { id: 'note:1', receipt: 'at 12:30' });
      assert.equal((await minsu.inbox.entry()).id, 'note:1');
      // A client that does not unescape is shown the escape itself: the server must write it, by the specification.
      await minsu.inbox.receipt(adapter.unescapes ? 'at 12:30' : 'at 12\\c30');
      if (adapter.unescapes) {
        minsu.subscribe('a:b', '/sub/chat/rooms');
        await room();
        assert.equal((await minsu.inbox.next('MESSAGE')).headers.subscription, 'a:b');
      }
      minsu.drop();
    });

    test('heart-beats go both ways, and bridge a silence of more than two intervals', async () => {
      const roomId = await room();
      const minsu = await inside('minsu', roomId);
      await sleep(SILENCE_MS);
      assert.ok(minsu.wire.beatsIn >= 2, `${minsu.wire.beatsIn} heart-beats of the server`);
      assert.ok(minsu.wire.beatsOut >= 2, `${minsu.wire.beatsOut} heart-beats of the client`);
      assert.equal(minsu.inbox.length, 0, 'nothing but heart-beats came');
      minsu.say(roomId, 'still here', { receipt: 'said' });
      await minsu.inbox.receipt('said');
      assert.equal((await minsu.inbox.entry()).message, 'still here');
      minsu.drop();
    });

    test('a bad token is answered with ERROR that says which way it is bad, and the close', async () => {
      const good = await token(people.minsu);
      const [head, claims, signature] = good.split('.');
      const forged = [head, claims, (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)].join('.');
      for (const [bad, code] of [[undefined, 'missing'], ['not-a-token', 'malformed'], [forged, 'invalid']]) {
        const connection = adapter.open({ headers: bad ? { token: bad } : {}, beats: BEATS });
        const error = await connection.inbox.next('CONNECTED', 'ERROR');
        assert.equal(error.command, 'ERROR');
        assert.equal(error.headers.code, `token_${code}`);
        assert.match(error.headers.message, /token/);
        assert.equal(await connection.wire.closed, 1008);
      }
    });

    test('DISCONNECT is answered with its receipt, and then the socket is closed', async () => {
      const minsu = await person('minsu');
      await minsu.disconnect('bye');
      assert.ok([1000, 1005].includes(await minsu.wire.closed));
    });

    test('who reconnects with after misses nothing and sees nothing twice', async () => {
      const roomId = await room();
      const jiyeon = await inside('jiyeon', roomId);
      let minsu = await inside('minsu', roomId);
      jiyeon.say(roomId, 'one');
      const seen = [2];
      const read = async (text) => {
        for (;;) {
          const entry = await minsu.inbox.entry();
          seen.push(entry.offset);
          if (entry.message === text) return;
        }
      };
      await read('one');
      minsu.drop();
      for (const text of ['two', 'three', 'four']) jiyeon.say(roomId, text, { receipt: text });
      for (const text of ['two', 'three', 'four']) await jiyeon.inbox.receipt(text);

      minsu = await person('minsu');
      minsu.subscribe('room', `/sub/chat/room/${roomId}`, { after: String(seen.at(-1)) });
      await read('four');
      jiyeon.say(roomId, 'five');
      await read('five');
      // One, two, three... : own ENTERs and QUITs stand between the messages.
      assert.deepEqual(seen, Array.from(seen, (_, at) => at + 2));
      for (const someone of [minsu, jiyeon]) someone.drop();
    });

    test('the same id sent again is answered again and heard once', async () => {
      const roomId = await room();
      const minsu = await inside('minsu', roomId);
      for (const receipt of ['first', 'again']) {
        minsu.say(roomId, 'once', { id: 'message-1', receipt });
        await minsu.inbox.receipt(receipt);
      }
      minsu.say(roomId, 'behind');
      assert.equal((await minsu.inbox.entry()).message, 'once');
      assert.equal((await minsu.inbox.entry()).message, 'behind');
      minsu.drop();
    });

    test('what is sent in a transaction is heard after COMMIT, in its order', async () => {
      const roomId = await room();
      const minsu = await inside('minsu', roomId);
      minsu.begin('tx');
      minsu.say(roomId, 'second', { transaction: 'tx' });
      minsu.say(roomId, 'third', { transaction: 'tx' });
      minsu.say(roomId, 'first', { receipt: 'said' });
      await minsu.inbox.receipt('said');
      minsu.commit('tx');
      for (const text of ['first', 'second', 'third']) assert.equal((await minsu.inbox.entry()).message, text);
      minsu.drop();
    });

    test('messages can be acknowledged', async () => {
      const roomId = await room();
      const minsu = await person('minsu');
      minsu.subscribe('room', `/sub/chat/room/${roomId}`, { ack: 'client-individual' });
      minsu.ack(await minsu.inbox.next('MESSAGE'));
      minsu.say(roomId, 'after the acknowledgement', { receipt: 'said' });
      await minsu.inbox.receipt('said');
      minsu.drop();
    });

    test('a refused message is told on the queue of errors, and the session goes on', async () => {
      const roomId = await room();
      const minsu = await inside('minsu', roomId);
      minsu.subscribe('errors', ERRORS);
      minsu.say('00000000-0000-4000-8000-000000000000', 'anybody?', { receipt: 'lost' });
      const told = await minsu.inbox.next('MESSAGE');
      assert.equal(told.headers.destination, ERRORS);
      const { code, receipt } = JSON.parse(told.body);
      assert.deepEqual([code, receipt], ['room_unknown', 'lost']);
      minsu.say(roomId, 'here');
      assert.equal((await minsu.inbox.entry()).message, 'here');
      minsu.drop();
    });

    more({ person, inside, people });
  });
}
