import { describe, expect, it } from 'vitest';
import type { Outgoing } from './outbox';
import { timeline, type Item } from './timeline';
import type { Entry } from './types';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const dayOf = (at: number) => String(Math.floor(at / DAY));
let offset = 0;
const said = (sender: string, sentAt: number, type: Entry['type'] = 'TALK') =>
  ({ type, sender, sentAt, offset: ++offset }) as Entry;
const waiting = (id: string) => ({ id, state: 'waiting' }) as Outgoing;

/** One word an item: d(ay), n(otice), t(alk), m(ine), o(utgoing), with ( and ) where a run starts and ends. */
const picture = (items: Item[]) =>
  items.map((item) => {
    if (item.kind === 'day' || item.kind === 'notice') return item.kind[0];
    const letter = item.kind === 'talk' ? (item.mine ? 'm' : 't') : 'o';
    return `${item.first ? '(' : ''}${letter}${item.last ? ')' : ''}`;
  }).join(' ');
const draw = (entries: Entry[], outgoing: Outgoing[] = []) => picture(timeline(entries, outgoing, 'me', dayOf));

describe('the timeline', () => {
  it('starts every day with its date', () => {
    expect(draw([said('ji', 0), said('ji', DAY - 1), said('ji', DAY)])).toBe('d (t) (t) d (t)');
  });

  it('joins what one person says in a row', () => {
    expect(draw([said('ji', 0), said('ji', 1), said('ji', 2), said('me', 3)])).toBe('d (t t t) (m)');
  });

  it('starts a new run after a silence, another speaker or a notice', () => {
    expect(draw([said('ji', 0), said('ji', 4 * MINUTE)])).toBe('d (t) (t)');
    expect(draw([said('ji', 0), said('so', 1), said('ji', 2)])).toBe('d (t) (t) (t)');
    expect(draw([said('ji', 0), said('[알림]', 1, 'ENTER'), said('ji', 2)])).toBe('d (t) n (t)');
  });

  it('puts what is on its way last, and joins it to what one said before', () => {
    expect(draw([said('me', 0)], [waiting('a'), waiting('b')])).toBe('d (m o o)');
    expect(draw([said('ji', 0)], [waiting('a'), waiting('b')])).toBe('d (t) (o o)');
    expect(draw([said('me', 0), said('[알림]', 1, 'QUIT')], [waiting('a')])).toBe('d (m) n (o)');
  });
});
