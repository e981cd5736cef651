import { describe, expect, it } from 'vitest';
import { UNKNOWN, awaitSnapshot, change, remove, snapshot, sorted, upsert } from './rooms';
import type { Room } from './types';

function room(roomId: string, more: Partial<Room> = {}): Room {
  return { roomId, name: roomId, userCount: 0, lastOffset: 0, lastAt: null, createdAt: 1, ...more };
}
const rooms = (list: Room[], gone: string[] = []) => ({ type: 'ROOMS' as const, rooms: list, gone });

describe('the room list', () => {
  it('is unknown, not empty, before the first snapshot', () => {
    expect(UNKNOWN.loaded).toBe(false);
    expect(snapshot(UNKNOWN, []).loaded).toBe(true);
  });

  it('applies changes that came before the snapshot after it', () => {
    const early = change(UNKNOWN, rooms([room('a', { userCount: 2, lastOffset: 5 })]));
    expect(early.byId.size).toBe(0);
    const list = snapshot(early, [room('a', { userCount: 1, lastOffset: 4 }), room('b')]);
    expect(list.byId.get('a')?.userCount).toBe(2);
    expect(list.byId.has('b')).toBe(true);
  });

  it('does not go back to a change that is older than the snapshot', () => {
    const early = change(UNKNOWN, rooms([room('a', { userCount: 9, lastOffset: 3 })]));
    const list = snapshot(early, [room('a', { userCount: 1, lastOffset: 4 })]);
    expect(list.byId.get('a')?.userCount).toBe(1);
  });

  it('takes the newer state of a room, and a new name at the same offset', () => {
    let list = snapshot(UNKNOWN, [room('a', { lastOffset: 4 })]);
    list = change(list, rooms([room('a', { lastOffset: 4, name: 'renamed' })]));
    expect(list.byId.get('a')?.name).toBe('renamed');
  });

  it('drops rooms that are gone, also while a snapshot is awaited', () => {
    let list = snapshot(UNKNOWN, [room('a'), room('b')]);
    list = change(list, rooms([], ['a']));
    expect([...list.byId.keys()]).toEqual(['b']);
    list = change(awaitSnapshot(list), rooms([], ['b']));
    expect(list.byId.has('b')).toBe(true);
    expect(snapshot(list, [room('b')]).byId.size).toBe(0);
  });

  it('forgets rooms that a new snapshot does not hold', () => {
    const list = snapshot(UNKNOWN, [room('a')]);
    expect([...snapshot(awaitSnapshot(list), [room('b')]).byId.keys()]).toEqual(['b']);
  });

  it('shows the newest activity first, and counts making a room as activity', () => {
    const list = snapshot(UNKNOWN, [
      room('old', { lastAt: 10 }), room('busy', { lastAt: 30 }), room('made', { createdAt: 20 }),
    ]);
    expect(sorted(list).map((r) => r.roomId)).toEqual(['busy', 'made', 'old']);
  });

  it('knows a room of its own making at once', () => {
    const list = upsert(snapshot(UNKNOWN, []), room('mine'));
    expect(list.byId.has('mine')).toBe(true);
    expect(remove(list, 'mine').byId.size).toBe(0);
  });
});
