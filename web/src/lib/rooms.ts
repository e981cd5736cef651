// The room list: a snapshot plus changes. Changes that arrive while the snapshot is still on its way
// wait for it, so no state between "subscribed" and "read" is lost. Pure.
import type { Room, RoomsChange } from './types';

export interface Rooms {
  readonly byId: ReadonlyMap<string, Room>;
  /** Changes that wait for a snapshot; null when the list is complete. */
  readonly waiting: readonly Extract<RoomsChange, { type: 'ROOMS' }>[] | null;
  /** Whether a snapshot was ever taken: an empty list is not the same as none. */
  readonly loaded: boolean;
}

export const UNKNOWN: Rooms = { byId: new Map(), waiting: [], loaded: false };

/** From here on changes wait for the next snapshot; what is known stays in view. */
export function awaitSnapshot(rooms: Rooms): Rooms {
  return { ...rooms, waiting: [] };
}

export function snapshot(rooms: Rooms, list: readonly Room[]): Rooms {
  const fresh: Rooms = { byId: new Map(list.map((r) => [r.roomId, r])), waiting: null, loaded: true };
  return (rooms.waiting ?? []).reduce<Rooms>(change, fresh);
}

export function change(rooms: Rooms, what: Extract<RoomsChange, { type: 'ROOMS' }>): Rooms {
  if (rooms.waiting) return { ...rooms, waiting: [...rooms.waiting, what] };
  const byId = new Map(rooms.byId);
  for (const room of what.rooms) put(byId, room);
  for (const roomId of what.gone) byId.delete(roomId);
  return { ...rooms, byId };
}

/** A room that this page made or renamed itself, before the live list tells of it. */
export function upsert(rooms: Rooms, room: Room): Rooms {
  const byId = new Map(rooms.byId);
  put(byId, room);
  return { ...rooms, byId };
}

export function remove(rooms: Rooms, roomId: string): Rooms {
  const byId = new Map(rooms.byId);
  byId.delete(roomId);
  return { ...rooms, byId };
}

/** Newest activity first. */
export function sorted(rooms: Rooms): Room[] {
  return [...rooms.byId.values()].sort(
    (a, b) => activeAt(b) - activeAt(a) || a.name.localeCompare(b.name),
  );
}

export function activeAt(room: Room): number {
  return Math.max(room.lastAt ?? 0, room.createdAt);
}

// A change that waited can be older than the snapshot; the offset tells, because every entry raises it.
function put(byId: Map<string, Room>, room: Room): void {
  const known = byId.get(room.roomId);
  if (!known || room.lastOffset >= known.lastOffset) byId.set(room.roomId, room);
}
