// How long to wait before the next attempt to connect. Pure: `random` is a number from 0 to 1.

const FIRST_MS = 500;
const MOST_MS = 30_000;

/**
 * Doubles with each failed attempt (the first is 0), up to half a minute. A random half of it keeps
 * a thousand pages from coming back in the same moment.
 */
export function pauseMs(attempt: number, random: number): number {
  const whole = Math.min(FIRST_MS * 2 ** attempt, MOST_MS);
  return Math.round(whole / 2 + (whole / 2) * random);
}
