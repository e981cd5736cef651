import { describe, expect, it } from 'vitest';
import { WORDS } from './i18n';
import { explain, pickLanguage } from './language';

/** Every string of a dictionary; those that take a number are called with 1 and with 3. */
function strings(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value === 'function') return [[path, String(value(1))], [path, String(value(3))]];
  return Object.entries(value as object).flatMap(([key, inner]) => strings(inner, `${path}.${key}`));
}

describe('the two languages', () => {
  it('are chosen by what the person reads first', () => {
    expect(pickLanguage(['ko-KR', 'en'])).toBe('ko');
    expect(pickLanguage(['fr', 'EN-us', 'ko'])).toBe('en');
    expect(pickLanguage(['fr'])).toBe('en');
    expect(pickLanguage([])).toBe('en');
  });

  it('never mix', () => {
    for (const [path, text] of strings(WORDS.en)) expect(text, path).not.toMatch(/\p{Script=Hangul}/u);
    for (const [path, text] of strings(WORDS.ko)) {
      expect(text, path).toMatch(/\p{Script=Hangul}/u);
      expect(text.replace(/Enter|Shift/g, ''), path).not.toMatch(/[a-z]{2}/i);
    }
  });

  it('explain a problem by its code, with its limit', () => {
    const problem = { code: 'password_too_short', limit: 12 };
    expect(explain(WORDS.ko, problem)).toContain('12자');
    expect(explain(WORDS.en, problem)).toContain('12 characters');
  });

  it('show the detail of an unknown problem only in English, in which it is written', () => {
    const problem = { code: 'strange', detail: 'Do this.' };
    expect(explain(WORDS.en, problem)).toBe('Do this.');
    expect(explain(WORDS.ko, problem)).toBe('요청을 처리하지 못했어요. (strange)');
    expect(explain(WORDS.ko, { code: 'constructor' })).toContain('constructor');
  });
});
