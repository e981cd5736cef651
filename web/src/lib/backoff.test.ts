import { expect, it } from 'vitest';
import { pauseMs } from './backoff';

it('waits longer with every attempt, up to a bound', () => {
  const pauses = Array.from({ length: 40 }, (_, attempt) => pauseMs(attempt, 1));
  expect(pauses.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
  expect(Math.max(...pauses)).toBe(30_000);
});

it('spreads pages over half of the pause and never comes at once', () => {
  expect(pauseMs(3, 0)).toBe(2000);
  expect(pauseMs(3, 0.5)).toBe(3000);
  expect(pauseMs(0, 0)).toBe(250);
});
