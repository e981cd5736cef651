// One STOMP connection that lives as long as the page is signed in: it comes back by itself, and makes
// its subscriptions anew each time. It knows nothing of rooms.
import { Client, type IFrame, type StompHeaders } from '@stomp/stompjs';
import { pauseMs } from './backoff';

export type Status = 'connecting' | 'open' | 'waiting' | 'stopped';

export interface Listener {
  onStatus(status: Status): void;
  /** The server refused a request and closes; `receipt` names the request when it had one. */
  onErrorFrame(code: string, receipt: string | undefined): void;
  /** No token to be had. True: it makes no sense to try again. */
  onNoToken(error: unknown): boolean;
}

/** Where tokens come from. */
export interface Tokens {
  /** A new one. */
  renew(): Promise<string>;
  /** The one in hand, or a new one when little time is left. */
  fresh(): Promise<string>;
}

export interface Topic {
  id: string;
  destination: string;
  /** Asked anew for every SUBSCRIBE, so that it can resume where the last one ended. */
  headers?: () => StompHeaders;
  onBody(body: unknown): void;
  /** The server has confirmed the subscription. */
  onReady?(): void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const HEARTBEAT_MS = 10_000;
const AGAIN_MS = 3_000;
/** How often it is looked whether the token of an open connection is still good for a while. */
const LOOK_MS = 20_000;

export class Connection {
  #url: string;
  #tokens: Tokens;
  /** The token that the server knows. */
  #shown = '';
  #looking: ReturnType<typeof setInterval> | undefined;
  #listener: Listener;
  #client: Client | null = null;
  #topics = new Map<string, Topic>();
  /** Topics that the server knows of on this socket, and by which id it does. */
  #subscribed = new Map<string, string>();
  #refusals = 0;
  #receipts = 0;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #status: Status = 'stopped';

  constructor(url: string, tokens: Tokens, listener: Listener) {
    this.#url = url;
    this.#tokens = tokens;
    this.#listener = listener;
  }

  get open(): boolean {
    return this.#status === 'open';
  }

  start(): void {
    if (this.#status === 'stopped') void this.#connect();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#topics.clear();
    this.#end(!this.open);
    this.#become('stopped');
  }

  /** Something says that connecting could succeed now: the network is back, the page is in view. */
  wake(): void {
    if (this.#status !== 'waiting') return;
    clearTimeout(this.#timer);
    this.#attempt = 0;
    void this.#connect();
  }

  /** The network is known to be gone, so there is no need to wait for missing heart-beats. */
  drop(): void {
    if (this.#status === 'stopped' || this.#status === 'waiting') return;
    this.#end(true);
    this.#retryLater();
  }

  subscribe(topic: Topic): void {
    this.#topics.set(topic.id, topic);
    if (this.open) this.#subscribeNow(topic);
  }

  unsubscribe(id: string): void {
    this.#topics.delete(id);
    const known = this.#subscribed.get(id);
    this.#subscribed.delete(id);
    if (this.open && known !== undefined) this.#client?.unsubscribe(known);
  }

  /**
   * The server has refused or ended this subscription, so there is nothing to unsubscribe from. The next
   * one gets another id, which is right whether or not the server has forgotten this one.
   */
  refused(id: string): void {
    if (this.#subscribed.delete(id)) this.#refusals++;
  }

  /** The subscription that asked for this receipt was refused for now, and is made again in a while. */
  again(receipt: string): void {
    const id = receipt.replace(/-\d+$/, '');
    this.refused(id);
    setTimeout(() => {
      const topic = this.#topics.get(id);
      if (topic && this.open && !this.#subscribed.has(id)) this.#subscribeNow(topic);
    }, AGAIN_MS);
  }

  /** `onReceipt` is called when the server has done it for good. Only while open. */
  send(destination: string, body: object, headers: StompHeaders & { receipt: string }, onReceipt: () => void): void {
    const client = this.#client;
    if (!client || !this.open) return;
    client.watchForReceipt(headers.receipt, onReceipt);
    client.publish({
      destination,
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  }

  async #connect(): Promise<void> {
    this.#become('connecting');
    let token: string;
    try {
      token = await this.#tokens.renew();
    } catch (error) {
      if (this.#status !== 'connecting') return;
      if (this.#listener.onNoToken(error)) this.stop();
      else this.#retryLater();
      return;
    }
    if (this.#status !== 'connecting' || this.#client) return;

    // One client for one socket: when to try again is decided here, not there. It sends no heart-beats
    // of its own: timers of a page in the background stand still for a minute, and a server that counts
    // on them would drop a living page. The browser itself answers the server's WebSocket pings.
    this.#shown = token;
    const client: Client = new Client({
      brokerURL: this.#url,
      connectHeaders: { token },
      reconnectDelay: 0,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      heartbeatOutgoing: 0,
      heartbeatIncoming: HEARTBEAT_MS,
      discardWebsocketOnCommFailure: true,
      onConnect: () => client === this.#client && this.#connected(),
      onStompError: (frame) => client === this.#client && this.#errorFrame(frame),
      onWebSocketClose: () => client === this.#client && this.#closed(),
    });
    this.#client = client;
    client.activate();
  }

  #connected(): void {
    this.#attempt = 0;
    this.#subscribed.clear();
    this.#refusals = 0;
    this.#become('open');
    this.#looking = setInterval(() => void this.#keepToken(), LOOK_MS);
    for (const topic of this.#topics.values()) this.#subscribeNow(topic);
  }

  /**
   * The server closes a socket when its token ends, whoever only listens included. So a newer one is shown in time,
   * and nobody in a room sees somebody leave and come back every hour.
   */
  async #keepToken(): Promise<void> {
    const client = this.#client;
    const token = await this.#tokens.fresh().catch(() => this.#shown);
    if (token === this.#shown || client !== this.#client || !this.open) return;
    this.#shown = token;
    client?.publish({ destination: '/pub/chat/token', headers: { token } });
  }

  #subscribeNow(topic: Topic): void {
    const client = this.#client;
    if (!client) return;
    const before = this.#subscribed.get(topic.id);
    if (before !== undefined) client.unsubscribe(before);
    const id = this.#refusals === 0 ? topic.id : `${topic.id}.${this.#refusals}`;
    this.#subscribed.set(topic.id, id);
    const receipt = `${topic.id}-${++this.#receipts}`;
    client.watchForReceipt(receipt, () => topic.onReady?.());
    client.subscribe(topic.destination, (message) => topic.onBody(parse(message.body)), {
      ...topic.headers?.(),
      id,
      receipt,
    });
  }

  #errorFrame(frame: IFrame): void {
    this.#listener.onErrorFrame(frame.headers['code'] ?? 'unknown', frame.headers['receipt-id']);
  }

  #closed(): void {
    this.#end(true);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#become('waiting');
    this.#timer = setTimeout(() => void this.#connect(), pauseMs(this.#attempt++, Math.random()));
  }

  /** Lets go of the socket; with `force` without a word to the server. */
  #end(force: boolean): void {
    const client = this.#client;
    this.#client = null;
    clearInterval(this.#looking);
    this.#subscribed.clear();
    if (client) void client.deactivate({ force });
  }

  #become(status: Status): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#listener.onStatus(status);
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
