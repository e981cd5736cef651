// Sends what is in the outbox, one after another, and takes in what became of it.
import { pauseMs } from '../lib/backoff';
import type { Connection } from '../lib/connection';
import * as box from '../lib/outbox';
import type { TokenKeeper } from '../lib/token';
import type { Entry, Refusal } from '../lib/types';

/** So long is waited at least before something is tried again that could not be stored. */
const REST_MS = 1_000;

export class Post {
  outbox = $state.raw<box.Outbox>([]);
  /** The server could not store what was sent last, and it still waits. */
  unstored = $derived.by(() => this.#refusedLast && this.outbox.some((m) => m.state === 'waiting' || m.state === 'sent'));
  #refusedLast = $state(false);
  #resting: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #key: string;
  #connection: Connection;
  #tokens: TokenKeeper;
  #running = false;
  /** The room whose entries come to this page. */
  #openRoom: string | null = null;

  constructor(me: string, connection: Connection, tokens: TokenKeeper) {
    this.#key = `sarangbang.outbox.${me}`;
    this.#connection = connection;
    this.#tokens = tokens;
    this.outbox = box.restore(sessionStorage.getItem(this.#key));
  }

  say(roomId: string, text: string): void {
    this.#set(box.add(this.outbox, { id: newId(), roomId, text, at: Date.now() }));
    void this.run();
  }

  retry(id: string): void {
    this.#set(box.retry(this.outbox, id));
    void this.run();
  }

  discard(id: string): void {
    this.#set(box.discard(this.outbox, id));
  }

  seen(mine: readonly Entry[]): void {
    this.#set(box.seen(this.outbox, mine));
  }

  disconnected(): void {
    this.#rested();
    this.#set(box.disconnected(this.outbox));
  }

  /** The server can store again, or is another one: whatever waits is tried at once. */
  resume(): void {
    this.#rested();
    void this.run();
  }

  /** True when the refusal was about a message of this outbox. */
  refused(refusal: Pick<Refusal, 'code' | 'id' | 'receipt' | 'limit'>): boolean {
    const ids = [refusal.id, refusal.receipt];
    const message = this.outbox.find((m) => ids.includes(m.id));
    if (!message) return false;
    if (refusal.code === 'unavailable') {
      this.#set(box.held(this.outbox, message.id));
      this.#rest();
      return true;
    }
    this.#set(box.refused(this.outbox, message.id, refusal.code, refusal.limit));
    // So that trying again has another token to try with.
    if (refusal.code.startsWith('token_')) this.#tokens.renew().catch(() => this.#connection.drop());
    void this.run();
    return true;
  }

  /** Another room is open now, or the log of the open one starts afresh. */
  watch(roomId: string | null): void {
    if (this.#openRoom !== null) this.#set(box.settle(this.outbox, this.#openRoom));
    this.#openRoom = roomId;
  }

  /** Who signs out leaves nothing behind in this browser. */
  forget(): void {
    this.#set([]);
  }

  async run(): Promise<void> {
    if (this.#running || this.#resting !== undefined) return;
    this.#running = true;
    try {
      while (this.#connection.open && this.#resting === undefined && box.next(this.outbox)) {
        // The token may have to be fetched, and meanwhile anything can happen to the outbox.
        const token = await this.#tokens.fresh();
        const message = box.next(this.outbox);
        if (this.#connection.open && this.#resting === undefined && message) this.#send(message, token);
      }
    } catch {
      // Without a token nothing can be sent; the connection finds out why when it comes back.
      this.#connection.drop();
    } finally {
      this.#running = false;
    }
  }

  #send({ id, roomId, text }: box.Outgoing, token: string): void {
    this.#set(box.sent(this.outbox, id));
    this.#connection.send(
      '/pub/chat/message',
      { type: 'TALK', roomId, message: text },
      { id, token, receipt: id },
      () => this.#stored(id, roomId),
    );
  }

  /** Tries again by itself, after growing pauses: whether the server says when is not to be relied on. */
  #rest(): void {
    this.#refusedLast = true;
    this.#resting ??= setTimeout(() => {
      this.#resting = undefined;
      void this.run();
    }, REST_MS + pauseMs(this.#attempt++, Math.random()));
  }

  #rested(): void {
    clearTimeout(this.#resting);
    this.#resting = undefined;
    this.#attempt = 0;
    this.#refusedLast = false;
  }

  #stored(id: string, roomId: string): void {
    // While it rests, something that was sent before the refusal may still get through.
    if (this.#resting === undefined) this.#rested();
    this.#set(box.stored(this.outbox, id));
    if (roomId !== this.#openRoom) this.#set(box.settle(this.outbox, roomId));
    void this.run();
  }

  #set(outbox: box.Outbox): void {
    if (outbox === this.outbox) return;
    this.outbox = outbox;
    if (outbox.length > 0) sessionStorage.setItem(this.#key, JSON.stringify(outbox));
    else sessionStorage.removeItem(this.#key);
  }
}

// Only a page from a secure origin (https, or localhost) is given randomUUID.
function newId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
