import { describe, expect, it } from 'vitest';
import { WORDS } from './i18n';
import { Clock, iso } from './time';

const at = (...parts: [number, number, number, number?, number?]) => new Date(...parts).getTime();
const ko = new Clock('ko', WORDS.ko);
const en = new Clock('en', WORDS.en);
const now = at(2026, 2, 10, 9, 0);

describe('the clock', () => {
  it('calls the near days by their names', () => {
    expect(ko.day(at(2026, 2, 10, 0, 1), now)).toBe('오늘');
    expect(en.day(at(2026, 2, 9, 23, 59), now)).toBe('Yesterday');
    expect(en.day(at(2026, 2, 9, 0, 1), now)).toBe('Yesterday');
  });

  it('calls other days by their date, with the year when it is another', () => {
    expect(en.day(at(2026, 2, 8), now)).toBe('Sunday, March 8');
    expect(ko.day(at(2026, 2, 8), now)).toBe('3월 8일 일요일');
    expect(ko.day(at(2025, 11, 31), now)).toContain('2025년');
  });

  it('is brief in lists', () => {
    expect(ko.brief(at(2026, 2, 10, 8, 5), now)).toBe('오전 8:05');
    expect(en.brief(at(2026, 2, 9, 8, 5), now)).toBe('Yesterday');
    expect(en.brief(at(2026, 1, 1), now)).toBe('Feb 1');
  });

  it('tells machines the time in full', () => {
    expect(iso(0)).toBe('1970-01-01T00:00:00.000Z');
  });
});
