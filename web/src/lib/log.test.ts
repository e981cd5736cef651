import { describe, expect, it } from 'vitest';
import { EMPTY, fill, hole, keepNewest, lastOffset, merge, prepend, startReached } from './log';
import type { Entry } from './types';

function entry(offset: number): Entry {
  return {
    type: 'TALK', roomId: 'r', sender: 'min', message: `m${offset}`, userCount: 1,
    offset, id: `r-${offset}`, sentAt: offset * 1000,
  };
}
const entries = (...offsets: number[]) => offsets.map(entry);
const offsets = (log: { entries: readonly Entry[] }) => log.entries.map((e) => e.offset);

describe('the log', () => {
  it('keeps entries that arrive in order', () => {
    const log = merge(merge(EMPTY, entries(1, 2)), entries(3));
    expect(offsets(log)).toEqual([1, 2, 3]);
    expect(lastOffset(log)).toBe(3);
  });

  it('shows an entry once when history and live delivery both bring it', () => {
    const live = merge(EMPTY, entries(4, 5));
    expect(offsets(merge(live, entries(2, 3, 4, 5, 6)))).toEqual([2, 3, 4, 5, 6]);
  });

  it('stays the very same log when nothing new arrived', () => {
    const log = merge(EMPTY, entries(1, 2));
    expect(merge(log, entries(2, 1))).toBe(log);
    expect(merge(log, [])).toBe(log);
  });

  it('orders entries by offset whatever the order of arrival', () => {
    expect(offsets(merge(EMPTY, entries(3, 1, 2, 3)))).toEqual([1, 2, 3]);
  });

  it('keeps the entry it knew when the same offset comes again', () => {
    const first = entry(1);
    const log = merge(merge(EMPTY, [first]), [{ ...entry(1), message: 'other' }, entry(2)]);
    expect(log.entries[0]).toBe(first);
  });

  it('sees the newest hole first', () => {
    expect(hole(merge(EMPTY, entries(1, 3, 4, 8)))).toEqual({ after: 4, before: 8 });
    expect(hole(merge(EMPTY, entries(5, 6, 7)))).toBeNull();
  });

  it('closes a hole with what the server had', () => {
    const log = merge(EMPTY, entries(1, 4));
    const filled = fill(log, { after: 1, before: 4 }, entries(2, 3, 4), 200);
    expect(offsets(filled)).toEqual([1, 2, 3, 4]);
    expect(hole(filled)).toBeNull();
  });

  it('asks again for the rest when the answer was cut by its limit', () => {
    const log = merge(EMPTY, entries(1, 9));
    const filled = fill(log, { after: 1, before: 9 }, entries(2, 3), 2);
    expect(hole(filled)).toEqual({ after: 3, before: 9 });
  });

  it('accepts for good a stretch that retention trimmed', () => {
    const log = merge(EMPTY, entries(1, 9));
    const filled = fill(log, { after: 1, before: 9 }, entries(5, 6), 200);
    expect(offsets(filled)).toEqual([1, 5, 6, 9]);
    expect(hole(filled)).toBeNull();
    expect(hole(fill(log, { after: 1, before: 9 }, [], 200))).toBeNull();
  });

  it('leaves other holes open when one is filled', () => {
    const log = merge(EMPTY, entries(1, 3, 7));
    const filled = fill(log, { after: 3, before: 7 }, entries(4, 5, 6, 7), 200);
    expect(hole(filled)).toEqual({ after: 1, before: 3 });
  });

  it('knows the start by offset one, or by a short answer', () => {
    expect(startReached(EMPTY)).toBe(false);
    expect(startReached(merge(EMPTY, entries(1, 2)))).toBe(true);
    const log = merge(EMPTY, entries(50, 51));
    expect(startReached(log)).toBe(false);
    expect(startReached(prepend(log, entries(48, 49), 2))).toBe(false);
    expect(startReached(prepend(log, entries(49), 2))).toBe(true);
  });

  it('forgets the oldest and can load them again', () => {
    const log = keepNewest(merge(EMPTY, entries(1, 2, 3, 4)), 2);
    expect(offsets(log)).toEqual([3, 4]);
    expect(startReached(log)).toBe(false);
    expect(offsets(prepend(log, entries(1, 2), 2))).toEqual([1, 2, 3, 4]);
    expect(keepNewest(log, 2)).toBe(log);
  });
});
