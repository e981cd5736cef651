// The room that is open: its log, who is in it, and what is on its way.
import * as api from '../lib/api';
import type { Connection } from '../lib/connection';
import * as log from '../lib/log';
import { inRoom } from '../lib/outbox';
import { timeline } from '../lib/timeline';
import type { Entry, Refusal } from '../lib/types';
import type { Lobby } from './lobby.svelte';
import type { Post } from './post.svelte';

const HISTORY = 50;
const PAGE = 50;
const FILL = 200;
/** Entries arrive one by one; so long they are collected before the page is drawn anew. */
const COLLECT_MS = 16;
const MEMBERS_AFTER_MS = 250;
const RETRY_MS = 3_000;
/** When more than the first number is in view at the end of the log, only the second is kept. */
const TRIM = { above: 600, to: 300 };

export class OpenRoom {
  readonly roomId: string;
  log = $state.raw(log.EMPTY);
  /** The server has let us in, so an empty log is really empty. */
  entered = $state(false);
  loadingOlder = $state(false);
  missing = $state<'unknown' | 'gone' | null>(null);
  members = $state.raw<string[] | null>(null);
  /** The person looks at the end of the log. */
  atEnd = $state(true);
  /** Messages of others that came while the person was not looking at the end of the log. */
  fresh = $state(0);
  items = $derived.by(() => timeline(this.log.entries, inRoom(this.#post.outbox, this.roomId), this.#me));
  /** The newer word of the two: the last entry's, or the room list's. */
  userCount = $derived.by(() => {
    const room = this.#lobby.room(this.roomId);
    const last = this.log.entries.at(-1);
    return last && (!room || last.offset > room.lastOffset) ? last.userCount : (room?.userCount ?? 0);
  });
  /** What is said here is never written. */
  passing = $derived.by(() => this.#lobby.room(this.roomId)?.history === 'off');
  #me: string;
  #connection: Connection;
  #post: Post;
  #lobby: Lobby;
  #arrived: Entry[] = [];
  #collecting: ReturnType<typeof setTimeout> | undefined;
  #membersTimer: ReturnType<typeof setTimeout> | undefined;
  #fillTimer: ReturnType<typeof setTimeout> | undefined;
  #filling = false;
  #closed = false;

  constructor(roomId: string, me: string, connection: Connection, post: Post, lobby: Lobby) {
    this.roomId = roomId;
    this.#me = me;
    this.#connection = connection;
    this.#post = post;
    this.#lobby = lobby;
    lobby.openRoom = roomId;
    post.watch(roomId);
    this.#subscribe();
    this.#askMembers();
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#collecting, this.#membersTimer, this.#fillTimer]) clearTimeout(timer);
    this.#connection.unsubscribe('room');
    this.#post.watch(null);
    this.#lobby.openRoom = null;
  }

  /** The page came into view, or the end of the log did. */
  look(): void {
    if (document.hidden || !this.atEnd) return;
    this.fresh = 0;
    const last = log.lastOffset(this.log);
    if (last > 0) this.#lobby.read(this.roomId, last);
  }

  async loadOlder(): Promise<void> {
    const first = this.log.entries[0];
    if (this.loadingOlder || !first || log.startReached(this.log)) return;
    this.loadingOlder = true;
    try {
      const older = await api.messagesBefore(this.roomId, first.offset, PAGE);
      if (this.log.entries[0] === first) this.log = log.prepend(this.log, older, PAGE);
    } catch {
      // Scrolling up again asks again.
    } finally {
      this.loadingOlder = false;
    }
  }

  /** True when the refusal was about this room, and there is nothing more to do about it. */
  refused(refusal: Refusal): boolean {
    if (refusal.roomId !== this.roomId) return false;
    if (refusal.code === 'room_unknown') {
      this.#miss(this.#unknownOrGone());
    } else if (refusal.code === 'after_past_end') {
      // The server's log is another one than ours (a backup was restored): start over.
      this.#connection.refused('room');
      this.log = log.EMPTY;
      this.#arrived = [];
      this.#post.watch(this.roomId);
      this.#subscribe();
    } else {
      // A gap that retention left shows as a hole in the offsets, and is asked for there.
      return refusal.code === 'gap';
    }
    return true;
  }

  gone(): void {
    this.#miss('gone');
  }

  #unknownOrGone(): 'unknown' | 'gone' {
    return this.log.entries.length > 0 ? 'gone' : 'unknown';
  }

  #miss(how: 'unknown' | 'gone'): void {
    this.missing ??= how;
    clearTimeout(this.#membersTimer);
    this.#connection.refused('room');
    this.#connection.unsubscribe('room');
  }

  #subscribe(): void {
    this.#connection.subscribe({
      id: 'room',
      destination: `/sub/chat/room/${this.roomId}`,
      headers: () => {
        const last = Math.max(log.lastOffset(this.log), ...this.#arrived.map((entry) => entry.offset));
        return last > 0 ? { after: String(last) } : { history: String(HISTORY) };
      },
      onBody: (body) => this.#arrive(body as Entry | null),
      onReady: () => {
        this.entered = true;
        this.#askMembers();
      },
    });
  }

  #arrive(entry: Entry | null): void {
    if (entry?.roomId !== this.roomId || typeof entry.offset !== 'number') return;
    this.#arrived.push(entry);
    this.#collecting ??= setTimeout(() => this.#takeIn(), COLLECT_MS);
  }

  #takeIn(): void {
    this.#collecting = undefined;
    const arrived = this.#arrived;
    this.#arrived = [];
    const before = log.lastOffset(this.log);
    this.log = log.merge(this.log, arrived);
    this.#post.seen(arrived.filter((entry) => entry.sender === this.#me));
    if (arrived.some((entry) => entry.type !== 'TALK')) this.#askMembers();
    this.entered = true;

    const looking = this.atEnd && !document.hidden;
    if (looking && this.log.entries.length > TRIM.above) this.log = log.keepNewest(this.log, TRIM.to);
    if (before > 0 && !looking) {
      const talk = arrived.filter((e) => e.offset > before && e.type === 'TALK' && e.sender !== this.#me);
      this.fresh += talk.length;
      this.#lobby.unseen(this.roomId, talk);
    }
    this.look();
    void this.#fill();
  }

  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (let hole = log.hole(this.log); hole && !this.#closed; hole = log.hole(this.log)) {
        const answer = await api.messagesAfter(this.roomId, hole.after, FILL);
        this.log = log.fill(this.log, hole, answer, FILL);
        this.#post.seen(answer.filter((entry) => entry.sender === this.#me));
      }
    } catch {
      if (!this.#closed) this.#fillTimer = setTimeout(() => void this.#fill(), RETRY_MS);
    } finally {
      this.#filling = false;
    }
  }

  #askMembers(): void {
    clearTimeout(this.#membersTimer);
    if (this.missing) return;
    this.#membersTimer = setTimeout(() => {
      api.members(this.roomId).then(
        (answer) => (this.members = answer.members),
        (error: unknown) => {
          if (api.asProblem(error).code === 'room_unknown') this.#miss(this.#unknownOrGone());
        },
      );
    }, MEMBERS_AFTER_MS);
  }
}
