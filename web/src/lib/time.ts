// Times as people say them, in the page's language and the person's time zone.
import type { Words } from './i18n';
import { localDay } from './timeline';

const DAY_MS = 24 * 60 * 60_000;

export class Clock {
  #words: Words;
  #time: Intl.DateTimeFormat;
  #day: Intl.DateTimeFormat;
  #dayOfYear: Intl.DateTimeFormat;
  #short: Intl.DateTimeFormat;
  #full: Intl.DateTimeFormat;

  /** `locale` is a language with its region, which decides between 9:05 PM and 21:05. */
  constructor(locale: string, words: Words) {
    const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options);
    this.#words = words;
    this.#time = format({ hour: 'numeric', minute: '2-digit' });
    this.#day = format({ year: 'numeric', month: 'long', day: 'numeric', weekday: 'long' });
    this.#dayOfYear = format({ month: 'long', day: 'numeric', weekday: 'long' });
    this.#short = format({ month: 'short', day: 'numeric' });
    this.#full = format({ year: 'numeric', month: 'long', day: 'numeric', hour: 'numeric', minute: '2-digit' });
  }

  time(at: number): string {
    return this.#inWords(this.#time, at);
  }

  full(at: number): string {
    return this.#inWords(this.#full, at);
  }

  /** "Today", "Yesterday", or the date; the year only when it is another one. */
  day(at: number, now: number = Date.now()): string {
    const near = this.#near(at, now);
    if (near) return near;
    const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
    return (sameYear ? this.#dayOfYear : this.#day).format(at);
  }

  /** For lists: the time of today, else the day. */
  brief(at: number, now: number = Date.now()): string {
    if (localDay(at) === localDay(now)) return this.time(at);
    return this.#near(at, now) ?? this.#short.format(at);
  }

  // Browsers disagree about the Korean words for the halves of a day, and some use the English ones.
  #inWords(format: Intl.DateTimeFormat, at: number): string {
    const half = new Date(at).getHours() < 12 ? this.#words.room.am : this.#words.room.pm;
    return format.formatToParts(at).map((part) => (part.type === 'dayPeriod' ? half : part.value)).join('');
  }

  #near(at: number, now: number): string | null {
    if (localDay(at) === localDay(now)) return this.#words.room.today;
    // Noon of today minus a day is yesterday also where a day has 23 or 25 hours.
    const yesterday = new Date(now).setHours(12, 0, 0, 0) - DAY_MS;
    return localDay(at) === localDay(yesterday) ? this.#words.room.yesterday : null;
  }
}

export function iso(at: number): string {
  return new Date(at).toISOString();
}
