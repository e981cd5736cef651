// The room list as it is now, and which rooms have something unread.
import * as api from '../lib/api';
import type { Connection } from '../lib/connection';
import * as list from '../lib/rooms';
import type { Entry, Room, RoomsChange } from '../lib/types';
import * as unread from '../lib/unread';

const RETRY_MS = 3_000;
const JUDGE_AFTER_MS = 400;
const JUDGE_LIMIT = 200;

export class Lobby {
  rooms = $state.raw<list.Rooms>(list.UNKNOWN);
  sorted = $derived(list.sorted(this.rooms));
  marks: unread.Marks = $state.raw(unread.remembered(null));
  /** The open room is judged by the log in view, not by asking. */
  openRoom: string | null = null;
  #me: string;
  #key: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #judging = false;

  constructor(me: string, connection: Connection) {
    this.#me = me;
    this.#key = `sarangbang.read.${me}`;
    this.marks = unread.remembered(localStorage.getItem(this.#key));
    connection.subscribe({
      id: 'rooms',
      destination: '/sub/chat/rooms',
      onBody: (body) => this.#changed(body as RoomsChange | null),
      onReady: () => void this.refresh(),
    });
  }

  /** Reads the list anew. Changes that come meanwhile are applied to it. */
  async refresh(): Promise<void> {
    this.rooms = list.awaitSnapshot(this.rooms);
    try {
      this.#take(list.snapshot(this.rooms, await api.rooms()));
    } catch {
      setTimeout(() => void this.refresh(), RETRY_MS);
    }
  }

  room(roomId: string): Room | undefined {
    return this.rooms.byId.get(roomId);
  }

  put(room: Room): void {
    this.#take(list.upsert(this.rooms, room));
  }

  drop(roomId: string): void {
    this.rooms = list.remove(this.rooms, roomId);
    this.#mark(unread.forget(this.marks, [roomId]));
  }

  read(roomId: string, offset: number): void {
    this.#mark(unread.readUpTo(this.marks, roomId, offset));
  }

  /** New entries of the open room that nobody looked at yet. */
  unseen(roomId: string, entries: readonly Entry[]): void {
    const from = this.marks.read[roomId] ?? 0;
    const later = entries.filter((entry) => entry.offset > from);
    this.#mark(unread.judge(this.marks, roomId, later, this.#me));
  }

  /** Another tab of this browser has read on. */
  readElsewhere(event: StorageEvent): void {
    if (event.key !== this.#key) return;
    const { read } = unread.remembered(event.newValue);
    for (const [roomId, offset] of Object.entries(read)) {
      if (offset > (this.marks.read[roomId] ?? -1)) this.marks = unread.readUpTo(this.marks, roomId, offset);
    }
  }

  #changed(change: RoomsChange | null): void {
    if (change?.type === 'RESYNC') void this.refresh();
    if (change?.type !== 'ROOMS') return;
    this.#take(list.change(this.rooms, change));
    if (change.gone.length > 0) this.#mark(unread.forget(this.marks, change.gone));
  }

  #take(rooms: list.Rooms): void {
    this.rooms = rooms;
    if (rooms.waiting) return;
    this.#mark(unread.meet(this.marks, [...rooms.byId.values()]));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#judge(), JUDGE_AFTER_MS);
  }

  async #judge(): Promise<void> {
    if (this.#judging) return;
    this.#judging = true;
    try {
      for (;;) {
        // What was said where nothing is kept cannot be asked for.
        const rooms = [...this.rooms.byId.values()].filter((r) => r.roomId !== this.openRoom && r.history !== 'off');
        const suspect = unread.suspects(this.marks, rooms)[0];
        if (!suspect) return;
        const from = this.marks.read[suspect.roomId] ?? 0;
        const later = await api.messagesAfter(suspect.roomId, from, JUDGE_LIMIT);
        this.#mark(unread.judge(this.marks, suspect.roomId, later, this.#me));
        // A short answer told everything up to the offset that made the room suspect.
        if (later.length < JUDGE_LIMIT && !this.marks.unread.has(suspect.roomId)) {
          this.read(suspect.roomId, suspect.lastOffset);
        }
      }
    } catch {
      // The next change of the list brings the question up again.
    } finally {
      this.#judging = false;
    }
  }

  #mark(marks: unread.Marks): void {
    if (marks === this.marks) return;
    const changed = marks.read !== this.marks.read;
    this.marks = marks;
    if (changed) localStorage.setItem(this.#key, unread.toStore(marks));
  }
}
