// Sends what is in the outbox, one after another, and takes in what became of it.
import type { Connection } from '../lib/connection';
import * as box from '../lib/outbox';
import type { TokenKeeper } from '../lib/token';
import type { Entry, Refusal } from '../lib/types';

export class Post {
  outbox = $state.raw<box.Outbox>([]);
  #connection: Connection;
  #tokens: TokenKeeper;
  #running = false;
  /** The room whose entries come to this page. */
  #openRoom: string | null = null;

  constructor(connection: Connection, tokens: TokenKeeper) {
    this.#connection = connection;
    this.#tokens = tokens;
  }

  say(roomId: string, text: string): void {
    this.outbox = box.add(this.outbox, { id: newId(), roomId, text, at: Date.now() });
    void this.run();
  }

  retry(id: string): void {
    this.outbox = box.retry(this.outbox, id);
    void this.run();
  }

  discard(id: string): void {
    this.outbox = box.discard(this.outbox, id);
  }

  seen(mine: readonly Entry[]): void {
    this.outbox = box.seen(this.outbox, mine);
  }

  disconnected(): void {
    this.outbox = box.disconnected(this.outbox);
  }

  /** True when the refusal was about a message of this outbox. */
  refused(refusal: Pick<Refusal, 'code' | 'id' | 'receipt' | 'limit'>): boolean {
    const ids = [refusal.id, refusal.receipt];
    const message = this.outbox.find((m) => ids.includes(m.id));
    if (!message) return false;
    this.outbox = box.refused(this.outbox, message.id, refusal.code, refusal.limit);
    void this.run();
    return true;
  }

  /** Another room is open now, or the log of the open one starts afresh. */
  watch(roomId: string | null): void {
    if (this.#openRoom !== null) this.outbox = box.settle(this.outbox, this.#openRoom);
    this.#openRoom = roomId;
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
    this.outbox = box.sent(this.outbox, id);
    this.#connection.send(
      '/pub/chat/message',
      { type: 'TALK', roomId, message: text },
      { id, token, receipt: id },
      () => this.#stored(id, roomId),
    );
  }

  #stored(id: string, roomId: string): void {
    this.outbox = box.stored(this.outbox, id);
    if (roomId !== this.#openRoom) this.outbox = box.settle(this.outbox, roomId);
    void this.run();
  }
}

// Only a page from a secure origin (https, or localhost) is given randomUUID.
function newId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
