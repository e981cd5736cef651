// What the log looks like: days, notices, and runs of messages of one sender. Pure.
import type { Outgoing } from './outbox';
import type { Entry } from './types';

export type Item =
  | { kind: 'day'; key: string; at: number }
  | { kind: 'notice'; key: string; entry: Entry }
  /** `first` and `last` of a run: the name stands above the first, the time below the last. */
  | { kind: 'talk'; key: string; entry: Entry; mine: boolean; first: boolean; last: boolean }
  | { kind: 'outgoing'; key: string; message: Outgoing; first: boolean; last: boolean };

/** Messages of one sender that are closer together than this are one run. */
const RUN_MS = 3 * 60_000;

/** `dayOf` names the calendar day of a time, in the person's own time zone. */
export function timeline(
  entries: readonly Entry[],
  outgoing: readonly Outgoing[],
  me: string,
  dayOf: (at: number) => string = localDay,
): Item[] {
  const items: Item[] = [];
  let day = '';
  let previous: Entry | undefined;
  for (const entry of entries) {
    const today = dayOf(entry.sentAt);
    if (today !== day) {
      items.push({ kind: 'day', key: `day-${entry.offset}`, at: entry.sentAt });
      day = today;
      previous = undefined;
    }
    if (entry.type !== 'TALK') {
      items.push({ kind: 'notice', key: `${entry.offset}`, entry });
      previous = undefined;
      continue;
    }
    const first = !previous || previous.sender !== entry.sender || entry.sentAt - previous.sentAt > RUN_MS;
    if (!first) endRunLater(items);
    items.push({ kind: 'talk', key: `${entry.offset}`, entry, mine: entry.sender === me, first, last: true });
    previous = entry;
  }
  for (const message of outgoing) {
    const first = items.at(-1)?.kind !== 'outgoing' && previous?.sender !== me;
    if (!first) endRunLater(items);
    items.push({ kind: 'outgoing', key: message.id, message, first, last: true });
  }
  return items;
}

function endRunLater(items: Item[]): void {
  const before = items.at(-1);
  if (before?.kind === 'talk' || before?.kind === 'outgoing') before.last = false;
}

export function localDay(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
