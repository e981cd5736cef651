// A room's log as this page knows it: entries in offset order, each offset once, whatever
// arrived twice, late, or by two ways at once. Pure: every function returns a new log or the same one.
import type { Entry } from './types';

export interface Log {
  readonly entries: readonly Entry[];
  /** Offsets before which the server has nothing to give: the start, or what retention trimmed. */
  readonly edges: ReadonlySet<number>;
}

export const EMPTY: Log = { entries: [], edges: new Set() };

/** The stretch that is missing between two known entries; both bounds are known offsets. */
export interface Hole {
  after: number;
  before: number;
}

export function merge(log: Log, arrived: readonly Entry[]): Log {
  if (arrived.length === 0) return log;
  const last = lastOffset(log);
  const inOrder = arrived.every((entry, i) => entry.offset > (arrived[i - 1]?.offset ?? last));
  if (inOrder) return { ...log, entries: [...log.entries, ...arrived] };

  const byOffset = new Map(log.entries.map((entry) => [entry.offset, entry]));
  const known = byOffset.size;
  for (const entry of arrived) if (!byOffset.has(entry.offset)) byOffset.set(entry.offset, entry);
  if (byOffset.size === known) return log;
  return { ...log, entries: [...byOffset.values()].sort((a, b) => a.offset - b.offset) };
}

/** The newest hole: that is the one in view. Edges are no holes. */
export function hole(log: Log): Hole | null {
  for (let i = log.entries.length - 1; i > 0; i--) {
    const before = log.entries[i]!.offset;
    const after = log.entries[i - 1]!.offset;
    if (after + 1 < before && !log.edges.has(before)) return { after, before };
  }
  return null;
}

/**
 * Takes the server's answer to "what came after `asked.after`", limited to `limit` entries. Up to the
 * last entry of the answer the server told all it has, so what is still missing there never comes.
 */
export function fill(log: Log, asked: Hole, answer: readonly Entry[], limit: number): Log {
  const merged = merge(log, answer);
  const told = answer.length < limit ? asked.before : Math.max(...answer.map((e) => e.offset));
  const edges = new Set(merged.edges);
  merged.entries.forEach((entry, i) => {
    const previous = merged.entries[i - 1]?.offset;
    if (previous === undefined || previous < asked.after || entry.offset > told) return;
    if (previous + 1 < entry.offset) edges.add(entry.offset);
  });
  return { entries: merged.entries, edges };
}

/** Takes older entries that were asked for with `before`; fewer than `limit` means the start is reached. */
export function prepend(log: Log, older: readonly Entry[], limit: number): Log {
  const merged = merge(log, older);
  const first = merged.entries[0];
  if (older.length >= limit || !first) return merged;
  return { entries: merged.entries, edges: new Set([...merged.edges, first.offset]) };
}

/** Forgets all but the newest `keep` entries, which can be read again by scrolling up. */
export function keepNewest(log: Log, keep: number): Log {
  if (log.entries.length <= keep) return log;
  const entries = log.entries.slice(-keep);
  const first = entries[0]?.offset ?? 0;
  return { entries, edges: new Set([...log.edges].filter((edge) => edge > first)) };
}

export function startReached(log: Log): boolean {
  const first = log.entries[0];
  return first !== undefined && (first.offset <= 1 || log.edges.has(first.offset));
}

export function lastOffset(log: Log): number {
  return log.entries.at(-1)?.offset ?? 0;
}
