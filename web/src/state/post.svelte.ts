// Sends what is in the outbox, one after another, and takes in what became of it.
import type { Connection } from '../lib/connection';
import * as box from '../lib/outbox';
import type { TokenKeeper } from '../lib/token';
import type { Entry, Refusal } from '../lib/types';

export class Post {
  outbox = $state.raw<box.Outbox>([]);
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
    this.#set(box.disconnected(this.outbox));
  }

  /** True when the refusal was about a message of this outbox. */
  refused(refusal: Pick<Refusal, 'code' | 'id' | 'receipt' | 'limit'>): boolean {
    const ids = [refusal.id, refusal.receipt];
    const message = this.outbox.find((m) => ids.includes(m.id));
    if (!message) return false;
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
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#connection.open && box.next(this.outbox)) {
        // The token may have to be fetched, and meanwhile anything can happen to the outbox.
        const token = await this.#tokens.fresh();
        const message = box.next(this.outbox);
        if (this.#connection.open && message) this.#send(message, token);
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

  #stored(id: string, roomId: string): void {
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
