import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connection, type Status } from './connection';

/** The server's end of a socket: keeps what the page sent, and says what a test tells it to. */
class Socket {
  static all: Socket[] = [];
  readyState = 0;
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: object) => void) | null = null;

  constructor(readonly url: string) {
    Socket.all.push(this);
  }
  send(frame: string) {
    this.sent.push(frame);
  }
  close() {
    this.drop();
  }
  accept() {
    this.readyState = 1;
    this.onopen?.();
    this.say('CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n');
  }
  say(frame: string) {
    this.onmessage?.({ data: `${frame}\0` });
  }
  drop() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code: 1006, reason: '', wasClean: false });
  }
  frames(command: string) {
    return this.sent.filter((frame) => frame.startsWith(command));
  }
}

let statuses: Status[];
let tokens: number;
let tokenFails: boolean;
let giveUp: boolean;
let fresh: () => Promise<string>;
let connection: Connection;
const newest = () => Socket.all.at(-1)!;
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', Socket);
  Socket.all = [];
  statuses = [];
  tokens = 0;
  tokenFails = giveUp = false;
  const token = async () => {
    if (tokenFails) throw new Error('offline');
    return `token${++tokens}`;
  };
  fresh = async () => `token${tokens}`;
  connection = new Connection('ws://host/ws-stomp', { renew: token, fresh: () => fresh() }, {
    onStatus: (status) => statuses.push(status),
    onErrorFrame: () => {},
    onNoToken: () => giveUp,
  });
});
afterEach(() => {
  connection.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function open() {
  connection.start();
  await settle();
  newest().accept();
}

describe('a connection', () => {
  it('takes a new token for every socket', async () => {
    await open();
    expect(newest().frames('CONNECT')[0]).toContain('token:token1');
    newest().drop();
    await vi.advanceTimersByTimeAsync(500);
    newest().accept();
    expect(newest().frames('CONNECT')[0]).toContain('token:token2');
    expect(statuses).toEqual(['connecting', 'open', 'waiting', 'connecting', 'open']);
  });

  it('shows the server a newer token in time, each one once', async () => {
    await open();
    const pass = async (seconds: number) => {
      for (let past = 0; past < seconds; past += 5) {
        newest().onmessage?.({ data: '\n' });
        await vi.advanceTimersByTimeAsync(5_000);
      }
    };
    await pass(60);
    expect(newest().frames('SEND')).toHaveLength(0);
    fresh = async () => 'newer';
    await pass(60);
    expect(newest().frames('SEND')).toHaveLength(1);
    expect(newest().frames('SEND')[0]).toContain('destination:/pub/chat/token');
    expect(newest().frames('SEND')[0]).toContain('token:newer');
  });

  it('promises no heart-beats, which a page in the background could not keep', async () => {
    await open();
    expect(newest().frames('CONNECT')[0]).toContain('heart-beat:0,10000');
  });

  it('subscribes anew on every socket, from where it is by then', async () => {
    let last = 7;
    connection.subscribe({ id: 'room', destination: '/sub/x', headers: () => ({ after: String(last) }), onBody: () => {} });
    await open();
    expect(newest().frames('SUBSCRIBE')).toHaveLength(1);
    expect(newest().frames('SUBSCRIBE')[0]).toContain('after:7');
    last = 9;
    newest().drop();
    await vi.advanceTimersByTimeAsync(500);
    newest().accept();
    expect(newest().frames('SUBSCRIBE')[0]).toContain('after:9');
  });

  it('waits longer each time, and comes back at once when it is woken', async () => {
    await open();
    tokenFails = true;
    newest().drop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(statuses.filter((status) => status === 'connecting').length).toBeLessThan(12);
    tokenFails = false;
    connection.wake();
    await settle();
    newest().accept();
    expect(connection.open).toBe(true);
  });

  it('does not try again when there is no sense in it', async () => {
    tokenFails = giveUp = true;
    connection.start();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(statuses).toEqual(['connecting', 'stopped']);
  });

  it('gives up a socket that fell silent', async () => {
    await open();
    await vi.advanceTimersByTimeAsync(35_000);
    expect(Socket.all.length).toBeGreaterThan(1);
  });

  it('does not unsubscribe from what was refused', async () => {
    await open();
    connection.subscribe({ id: 'room', destination: '/sub/x', onBody: () => {} });
    connection.refused('room');
    connection.unsubscribe('room');
    expect(newest().frames('UNSUBSCRIBE')).toEqual([]);
    connection.subscribe({ id: 'room', destination: '/sub/y', onBody: () => {} });
    connection.unsubscribe('room');
    const ids = newest().frames('SUBSCRIBE').map((frame) => /^id:(.*)$/m.exec(frame)?.[1]);
    expect(new Set(ids).size).toBe(2);
    expect(newest().frames('UNSUBSCRIBE')[0]).toContain(`id:${ids[1]}`);
  });

  it('asks again in a while for what was refused for now', async () => {
    await open();
    connection.subscribe({ id: 'rooms', destination: '/sub/x', onBody: () => {} });
    connection.again('rooms-1');
    await vi.advanceTimersByTimeAsync(3_000);
    expect(newest().frames('SUBSCRIBE')).toHaveLength(2);
    expect(newest().frames('UNSUBSCRIBE')).toEqual([]);
  });

  it('hands over bodies as data, and damaged ones as nothing', async () => {
    const bodies: unknown[] = [];
    connection.subscribe({ id: 'room', destination: '/sub/x', onBody: (body) => bodies.push(body) });
    await open();
    newest().say('MESSAGE\nsubscription:room\nmessage-id:1\n\n{"offset":1}');
    newest().say('MESSAGE\nsubscription:room\nmessage-id:2\n\n{"offset"');
    expect(bodies).toEqual([{ offset: 1 }, null]);
  });

  it('tells when the server confirmed a subscription and a message', async () => {
    const ready = vi.fn();
    const receipt = vi.fn();
    connection.subscribe({ id: 'room', destination: '/sub/x', onBody: () => {}, onReady: ready });
    await open();
    connection.send('/pub/x', {}, { id: 'm', receipt: 'm' }, receipt);
    expect(ready).not.toHaveBeenCalled();
    newest().say('RECEIPT\nreceipt-id:room-1\n\n');
    expect(ready).toHaveBeenCalledOnce();
    expect(receipt).not.toHaveBeenCalled();
    newest().say('RECEIPT\nreceipt-id:m\n\n');
    expect(receipt).toHaveBeenCalledOnce();
  });
});
