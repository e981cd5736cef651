import { describe, expect, it } from 'vitest';
import {
  UNDERWAY_MAX, add, discard, disconnected, held, inRoom, next, refused, restore, retry, seen, sent, settle, stored,
  type Outbox,
} from './outbox';
import type { Entry } from './types';

const write = (outbox: Outbox, id: string, roomId = 'r') => add(outbox, { id, roomId, text: id, at: 1 });
const states = (outbox: Outbox) => outbox.map((m) => `${m.id}:${m.state}`);
const entry = (id: string) => ({ id }) as Entry;

describe('the outbox', () => {
  it('sends messages in the order they were written', () => {
    let box = write(write([], 'a'), 'b');
    expect(next(box)?.id).toBe('a');
    box = sent(box, 'a');
    expect(next(box)?.id).toBe('b');
  });

  it('waits when enough messages are without a receipt', () => {
    let box: Outbox = [];
    for (let i = 0; i <= UNDERWAY_MAX; i++) box = write(box, `m${i}`);
    for (let i = 0; i < UNDERWAY_MAX; i++) box = sent(box, `m${i}`);
    expect(next(box)).toBeUndefined();
    expect(next(stored(box, 'm0'))?.id).toBe(`m${UNDERWAY_MAX}`);
  });

  it('keeps a stored message until its entry is seen', () => {
    const box = stored(sent(write([], 'a'), 'a'), 'a');
    expect(states(box)).toEqual(['a:stored']);
    expect(seen(box, [entry('other')])).toBe(box);
    expect(seen(box, [entry('a')])).toEqual([]);
  });

  it('sends again what had no receipt when the connection dropped', () => {
    const box = stored(sent(sent(write(write([], 'a'), 'b'), 'a'), 'b'), 'a');
    expect(states(disconnected(box))).toEqual(['a:stored', 'b:waiting']);
  });

  it('keeps a refused message, with the reason, until it is tried again or thrown away', () => {
    const box = refused(sent(write([], 'a'), 'a'), 'a', 'message_too_long', 2000);
    expect(box[0]).toMatchObject({ state: 'failed', code: 'message_too_long', limit: 2000 });
    expect(next(box)).toBeUndefined();
    expect(states(disconnected(box))).toEqual(['a:failed']);
    const again = retry(box, 'a');
    expect(next(again)?.id).toBe('a');
    expect(again[0]).not.toHaveProperty('code');
    expect(discard(box, 'a')).toEqual([]);
  });

  it('keeps what could not be stored for now, in its place and under its id', () => {
    const box = sent(sent(write(write(write([], 'a'), 'b'), 'c'), 'a'), 'b');
    expect(states(held(held(box, 'b'), 'a'))).toEqual(['a:waiting', 'b:waiting', 'c:waiting']);
    expect(next(held(box, 'a'))?.id).toBe('a');
    expect(states(held(stored(box, 'a'), 'a'))[0]).toBe('a:stored');
  });

  it('does not fail a message that the server already has', () => {
    const box = stored(write([], 'a'), 'a');
    expect(refused(box, 'a', 'too_many_messages')).toEqual(box);
  });

  it('lets go of stored messages of a room whose entries come no more', () => {
    const box = write(stored(write(write([], 'a'), 'b', 's'), 'a'), 'c');
    expect(states(settle(box, 'r'))).toEqual(['b:waiting', 'c:waiting']);
  });

  it('outlives a reload, and then sends what has no receipt', () => {
    const box = stored(refused(sent(write(write(write([], 'a'), 'b'), 'c'), 'a'), 'b', 'too_many_messages'), 'c');
    expect(states(restore(JSON.stringify(box)))).toEqual(['a:waiting', 'b:failed']);
  });

  it('starts empty when what was kept is damaged', () => {
    for (const kept of [null, '{', '{}', '[null, 3, {"id":"a"}]']) expect(restore(kept)).toEqual([]);
  });

  it('knows what belongs to a room', () => {
    expect(inRoom(write(write([], 'a'), 'b', 's'), 's').map((m) => m.id)).toEqual(['b']);
  });
});
