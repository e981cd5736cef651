// What the person has read, by room: the offset of the last entry that was in view. Pure.
//
// Coming and going writes entries too, and nobody needs to read those. So a room whose offset rose is
// only *suspect*; whether somebody said something is asked from the server once, and until the answer
// is a message the mark stays off.
import type { Entry, Room } from './types';

export interface Marks {
  /** Last offset read, by room. */
  readonly read: Readonly<Record<string, number>>;
  /** Rooms in which something unread was said. */
  readonly unread: ReadonlySet<string>;
  /** Nothing was remembered from an earlier visit. */
  readonly firstVisit: boolean;
}

export function remembered(stored: string | null): Marks {
  const read = parse(stored);
  return { read: read ?? {}, unread: new Set(), firstVisit: read === null };
}

export function toStore(marks: Marks): string {
  return JSON.stringify(marks.read);
}

/** Who comes the first time has not missed anything; later, a room not seen before is all unread. */
export function meet(marks: Marks, rooms: readonly Room[]): Marks {
  const read = { ...marks.read };
  for (const room of rooms) read[room.roomId] ??= marks.firstVisit ? room.lastOffset : 0;
  return { ...marks, read, firstVisit: false };
}

export function suspects(marks: Marks, rooms: readonly Room[]): Room[] {
  return rooms.filter(
    (r) => !marks.unread.has(r.roomId) && r.lastOffset > (marks.read[r.roomId] ?? 0),
  );
}

/** What came after the last offset read. Notices alone count as read; a message sets the mark. */
export function judge(marks: Marks, roomId: string, later: readonly Entry[], me: string): Marks {
  if (later.some((entry) => entry.type === 'TALK' && entry.sender !== me)) {
    return { ...marks, unread: new Set([...marks.unread, roomId]) };
  }
  const last = later.at(-1);
  return last ? readUpTo(marks, roomId, last.offset) : marks;
}

export function readUpTo(marks: Marks, roomId: string, offset: number): Marks {
  const further = offset > (marks.read[roomId] ?? -1);
  if (!further && !marks.unread.has(roomId)) return marks;
  const unread = new Set(marks.unread);
  unread.delete(roomId);
  return { ...marks, unread, read: further ? { ...marks.read, [roomId]: offset } : marks.read };
}

export function forget(marks: Marks, roomIds: readonly string[]): Marks {
  const read = { ...marks.read };
  const unread = new Set(marks.unread);
  for (const roomId of roomIds) {
    delete read[roomId];
    unread.delete(roomId);
  }
  return { ...marks, read, unread };
}

function parse(stored: string | null): Record<string, number> | null {
  if (stored === null) return null;
  try {
    const value: unknown = JSON.parse(stored);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return Object.fromEntries(
      Object.entries(value).filter((pair): pair is [string, number] => typeof pair[1] === 'number'),
    );
  } catch {
    return null;
  }
}
