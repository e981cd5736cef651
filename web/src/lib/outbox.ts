// Messages on their way out. A message leaves the outbox when its entry is seen in the log; until then it
// is kept, and sent again with the same id after a reconnect, which the server takes as one. Pure.
import type { Entry } from './types';

export interface Outgoing {
  readonly id: string;
  readonly roomId: string;
  readonly text: string;
  readonly at: number;
  /** waiting: not sent on this connection; sent: no receipt yet; stored: durable; failed: refused. */
  readonly state: 'waiting' | 'sent' | 'stored' | 'failed';
  /** Why it was refused: the server's code. */
  readonly code?: string;
  readonly limit?: number;
}

export type Outbox = readonly Outgoing[];

/** So many messages may be without a receipt at once: a full outbox must not run into the server's limits. */
export const UNDERWAY_MAX = 4;

export function add(outbox: Outbox, message: Pick<Outgoing, 'id' | 'roomId' | 'text' | 'at'>): Outbox {
  return [...outbox, { ...message, state: 'waiting' }];
}

/** The message to send now, if one may be. Messages of a room go in the order they were written. */
export function next(outbox: Outbox): Outgoing | undefined {
  const underway = outbox.filter((m) => m.state === 'sent').length;
  return underway < UNDERWAY_MAX ? outbox.find((m) => m.state === 'waiting') : undefined;
}

export function sent(outbox: Outbox, id: string): Outbox {
  return mark(outbox, id, 'sent');
}

export function stored(outbox: Outbox, id: string): Outbox {
  return mark(outbox, id, 'stored');
}

/** The entries are in view, so their messages need no keeping. */
export function seen(outbox: Outbox, entries: readonly Entry[]): Outbox {
  if (outbox.length === 0) return outbox;
  const ids = new Set(entries.map((entry) => entry.id));
  const left = outbox.filter((m) => !ids.has(m.id));
  return left.length === outbox.length ? outbox : left;
}

export function refused(outbox: Outbox, id: string, code: string, limit?: number): Outbox {
  return outbox.map((m) => {
    if (m.id !== id || m.state === 'stored') return m;
    return { ...m, state: 'failed', code, ...(limit === undefined ? {} : { limit }) };
  });
}

/** It could not be stored for now: it keeps its place, and is sent again with the same id. */
export function held(outbox: Outbox, id: string): Outbox {
  return outbox.map((m) => (m.id === id && m.state === 'sent' ? { ...m, state: 'waiting' as const } : m));
}

/** Once more, under the same id and in the same place. */
export function retry(outbox: Outbox, id: string): Outbox {
  return outbox.map((m) => {
    if (m.id !== id || m.state !== 'failed') return m;
    return { id: m.id, roomId: m.roomId, text: m.text, at: m.at, state: 'waiting' };
  });
}

export function discard(outbox: Outbox, id: string): Outbox {
  return outbox.filter((m) => m.id !== id);
}

/** The connection is gone: what has no receipt may not have arrived. */
export function disconnected(outbox: Outbox): Outbox {
  return outbox.map((m) => (m.state === 'sent' ? { ...m, state: 'waiting' as const } : m));
}

/** The server has these for good, and no entry of that room will come to this page any more. */
export function settle(outbox: Outbox, roomId: string): Outbox {
  return outbox.filter((m) => m.roomId !== roomId || m.state !== 'stored');
}

export function inRoom(outbox: Outbox, roomId: string): Outgoing[] {
  return outbox.filter((m) => m.roomId === roomId);
}

/** What a page that was loaded anew still has to send. What the server has, the log will show. */
export function restore(kept: string | null): Outbox {
  try {
    const value: unknown = JSON.parse(kept ?? '[]');
    return Array.isArray(value) ? disconnected(value.filter(isOutgoing)).filter((m) => m.state !== 'stored') : [];
  } catch {
    return [];
  }
}

function isOutgoing(value: unknown): value is Outgoing {
  const m = value as Partial<Outgoing> | null;
  const words = [m?.id, m?.roomId, m?.text, m?.state];
  return typeof m?.at === 'number' && words.every((word) => typeof word === 'string');
}

function mark(outbox: Outbox, id: string, state: 'sent' | 'stored'): Outbox {
  return outbox.map((m) => (m.id === id && m.state !== 'failed' ? { ...m, state } : m));
}
