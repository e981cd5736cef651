// The calendar day, which changes while a page stays open.
import { localDay } from '../lib/timeline';

/** A computer that slept stops its timers, so the day is not looked at by one long timer alone. */
const LOOK_EVERY_MS = 60_000;

let now = $state(Date.now());

export const today = {
  /** Some moment of the day that it is now. */
  get now(): number {
    return now;
  },
};

function look(): void {
  if (localDay(Date.now()) !== localDay(now)) now = Date.now();
}

function lookAgain(): void {
  look();
  setTimeout(lookAgain, Math.min(LOOK_EVERY_MS, new Date().setHours(24, 0, 0, 0) - Date.now()));
}

lookAgain();
document.addEventListener('visibilitychange', look);
