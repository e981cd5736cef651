// Who uses the page: nobody yet, somebody signed in, or a guest who may not chat.
import * as api from '../lib/api';
import { loginPath, wantedAfterLogin } from '../lib/route';
import type { About, Limits, User } from '../lib/types';
import { Chat } from './chat.svelte';
import { nav } from './nav.svelte';

const LIMITS: Limits = { messageChars: 2000, roomNameChars: 60, nameChars: 32, passwordChars: 8 };

class Session {
  about = $state.raw<About | null>(null);
  chat = $state.raw<Chat | null>(null);
  state = $state<'unknown' | 'asking' | 'in' | 'guest' | 'failed'>('unknown');
  limits = $derived(this.about?.limits ?? LIMITS);

  constructor() {
    api.onSignedOut(() => this.#ended('signed_out'));
  }

  async readAbout(): Promise<void> {
    this.about = await api.about().catch(() => null);
  }

  /** Called when the address leads into the chat: finds out who is signed in. */
  async need(): Promise<void> {
    if (this.state === 'in' || this.state === 'asking' || this.state === 'guest') return;
    this.state = 'asking';
    try {
      this.#begin((await api.user()).user);
    } catch (error) {
      const { status } = api.asProblem(error);
      if (status === 401) this.#ended('signed_out');
      else this.state = status === 403 ? 'guest' : 'failed';
    }
  }

  signedIn(user: User): void {
    this.#close();
    this.#begin(user);
    nav.go(nav.route.at === 'login' ? wantedAfterLogin(nav.route.query) : '/chat/room', 'replace');
  }

  #begin(user: User): void {
    if (user.role === 'guest') {
      this.state = 'guest';
      return;
    }
    this.chat = new Chat(user.name, user.role, (why) => this.#ended(why));
    this.state = 'in';
  }

  #ended(why: 'signed_out' | 'guest'): void {
    this.#close();
    if (why === 'guest') this.state = 'guest';
    else if (nav.route.at === 'rooms' || nav.route.at === 'room') nav.go(loginPath(location.pathname), 'replace');
  }

  #close(): void {
    this.chat?.end();
    this.chat = null;
    this.state = 'unknown';
  }
}

export const session = new Session();
