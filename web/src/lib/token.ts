// Keeps a token that is good for a while yet, and asks for another when it is not.

/** A token with less time left than this is not used any more. */
const SPARE_MS = 5 * 60_000;

export interface Grant {
  token: string;
  /** How long it was good when it came. A length, because the clocks of server and browser differ. */
  lastsMs: number;
}

export class TokenKeeper {
  #ask: () => Promise<Grant>;
  #now: () => number;
  #token = '';
  #until = 0;
  #asking: Promise<string> | null = null;

  constructor(ask: () => Promise<Grant>, now: () => number = Date.now) {
    this.#ask = ask;
    this.#now = now;
  }

  /** The token in hand, or a new one when little time is left. */
  async fresh(): Promise<string> {
    return this.#until - this.#now() >= SPARE_MS ? this.#token : this.renew();
  }

  /** A new token in any case. Calls that come together share one answer. */
  renew(): Promise<string> {
    this.#asking ??= this.#ask()
      .then((grant) => {
        this.#token = grant.token;
        this.#until = this.#now() + grant.lastsMs;
        return grant.token;
      })
      .finally(() => {
        this.#asking = null;
      });
    return this.#asking;
  }
}
