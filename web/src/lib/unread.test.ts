import { describe, expect, it } from 'vitest';
import { forget, judge, meet, readUpTo, remembered, suspects, toStore } from './unread';
import type { Entry, Room } from './types';

const room = (roomId: string, lastOffset: number) => ({ roomId, lastOffset }) as Room;
const entry = (type: Entry['type'], offset: number, sender = 'ji') => ({ type, offset, sender }) as Entry;
const ids = (rooms: Room[]) => rooms.map((r) => r.roomId);

describe('unread marks', () => {
  it('are off for all that was said before the first visit', () => {
    const marks = meet(remembered(null), [room('a', 7)]);
    expect(suspects(marks, [room('a', 7)])).toEqual([]);
    expect(ids(suspects(marks, [room('a', 8)]))).toEqual(['a']);
  });

  it('suspect a whole room that was made since the last visit', () => {
    const marks = meet(remembered('{"a":7}'), [room('a', 7), room('b', 3)]);
    expect(ids(suspects(marks, [room('a', 7), room('b', 3)]))).toEqual(['b']);
  });

  it('go on when somebody else said something', () => {
    const marks = judge(remembered('{"a":1}'), 'a', [entry('ENTER', 2), entry('TALK', 3)], 'min');
    expect(marks.unread.has('a')).toBe(true);
    expect(suspects(marks, [room('a', 9)])).toEqual([]);
  });

  it('stay off when people only came and went, or it was oneself who spoke', () => {
    const marks = judge(remembered('{"a":1}'), 'a', [entry('TALK', 2, 'min'), entry('QUIT', 3)], 'min');
    expect(marks.unread.size).toBe(0);
    expect(suspects(marks, [room('a', 3)])).toEqual([]);
  });

  it('go off when the room is read, and never move back', () => {
    let marks = judge(remembered('{"a":1}'), 'a', [entry('TALK', 3)], 'min');
    marks = readUpTo(marks, 'a', 3);
    expect(marks.unread.size).toBe(0);
    expect(readUpTo(marks, 'a', 2)).toBe(marks);
  });

  it('outlive a reload', () => {
    const again = remembered(toStore(readUpTo(remembered(null), 'a', 5)));
    expect(again.read).toEqual({ a: 5 });
    expect(again.firstVisit).toBe(false);
  });

  it('start anew when what was stored is damaged', () => {
    for (const damaged of ['{', '[]', 'null', '3']) expect(remembered(damaged).firstVisit).toBe(true);
    expect(remembered('{"a":"x","b":2}').read).toEqual({ b: 2 });
  });

  it('forget rooms that are gone', () => {
    expect(forget(remembered('{"a":1,"b":2}'), ['a']).read).toEqual({ b: 2 });
  });
});
