// Everything that lives from signing in to signing out.
import * as api from '../lib/api';
import { Connection, type Status } from '../lib/connection';
import { TokenKeeper } from '../lib/token';
import type { Refusal, Role } from '../lib/types';
import { Lobby } from './lobby.svelte';
import { Post } from './post.svelte';
import { OpenRoom } from './room.svelte';

/** So long a lost connection may come back before the person is told. */
const TELL_AFTER_MS = 600;

export class Chat {
  readonly me: string;
  readonly role: Role;
  readonly lobby: Lobby;
  readonly post: Post;
  status = $state<Status>('connecting');
  /** The connection was there and is not coming back at once. */
  lost = $state(false);
  room = $state.raw<OpenRoom | null>(null);
  /** Nothing can be stored now: the server says so, or could not do it. */
  away = $derived.by(() => this.#storeAway || this.post.unstored);
  #storeAway = $state(false);
  /** What was said since the queue was subscribed to last. */
  #toldAway = false;
  #connection: Connection;
  #onEnd: (why: 'signed_out' | 'guest') => void;
  #tell: ReturnType<typeof setTimeout> | undefined;

  constructor(me: string, role: Role, onEnd: (why: 'signed_out' | 'guest') => void) {
    this.me = me;
    this.role = role;
    this.#onEnd = onEnd;
    const tokens = new TokenKeeper(async () => (await api.user()).grant);
    this.#connection = new Connection(socketUrl(), tokens, {
      onStatus: (status) => this.#became(status),
      onErrorFrame: (code, receipt) => this.#errorFrame(code, receipt),
      onNoToken: (error) => this.#noToken(error),
    });
    this.#connection.subscribe({
      id: 'errors',
      destination: '/user/queue/errors',
      headers: () => {
        this.#toldAway = false;
        return {};
      },
      // Before its receipt the server has said whether its store is away.
      onReady: () => (this.#storeAway = this.#toldAway),
      onBody: (body) => body && this.#refused(body as Refusal),
    });
    this.post = new Post(me, this.#connection, tokens);
    this.lobby = new Lobby(me, this.#connection);
    this.#connection.start();
  }

  enter(roomId: string): void {
    if (this.room?.roomId === roomId) return;
    this.leave();
    this.room = new OpenRoom(roomId, this.me, this.#connection, this.post, this.lobby);
  }

  leave(): void {
    this.room?.close();
    this.room = null;
  }

  reconnect(): void {
    this.#connection.wake();
  }

  /** Listens to what the browser knows about the network and the page. */
  attend(): () => void {
    const wake = () => this.#connection.wake();
    const drop = () => this.#connection.drop();
    const seen = () => {
      if (document.hidden) return;
      wake();
      this.room?.look();
    };
    const stored = (event: StorageEvent) => this.lobby.readElsewhere(event);
    addEventListener('online', wake);
    addEventListener('offline', drop);
    addEventListener('pageshow', wake);
    addEventListener('storage', stored);
    document.addEventListener('visibilitychange', seen);
    return () => {
      removeEventListener('online', wake);
      removeEventListener('offline', drop);
      removeEventListener('pageshow', wake);
      removeEventListener('storage', stored);
      document.removeEventListener('visibilitychange', seen);
    };
  }

  end(): void {
    this.leave();
    this.#connection.stop();
    clearTimeout(this.#tell);
  }

  #became(status: Status): void {
    this.status = status;
    if (status === 'open') {
      clearTimeout(this.#tell);
      this.#tell = undefined;
      this.lost = false;
      void this.post.run();
    } else {
      this.post.disconnected();
      this.#tell ??= setTimeout(() => (this.lost = true), TELL_AFTER_MS);
    }
  }

  #refused(refusal: Refusal): void {
    if (refusal.code === 'store_away' || refusal.code === 'store_back') {
      this.#storeAway = this.#toldAway = refusal.code === 'store_away';
      if (!this.#storeAway) this.post.resume();
      return;
    }
    if (this.post.refused(refusal)) return;
    if (this.room?.refused(refusal)) return;
    if (refusal.receipt !== undefined) this.#connection.again(refusal.receipt);
  }

  // The socket is about to close. Only a message that is itself at fault is not sent again.
  #errorFrame(code: string, receipt: string | undefined): void {
    const ofMessage = ['message_too_long', 'message_empty', 'room_unknown', 'too_many_messages', 'bad_payload'];
    if (receipt !== undefined && ofMessage.includes(code)) this.post.refused({ code, receipt });
    if (receipt?.startsWith('room-') && this.room) this.room.refused({ code, message: '', roomId: this.room.roomId });
    if (code === 'role_may_not_chat') this.#onEnd('guest');
  }

  #noToken(error: unknown): boolean {
    const { status } = api.asProblem(error);
    if (status === 401) this.#onEnd('signed_out');
    if (status === 403) this.#onEnd('guest');
    return status === 401 || status === 403;
  }
}

function socketUrl(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws-stomp`;
}
