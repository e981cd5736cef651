// Which language the page speaks, and how it explains what went wrong. Pure.
import { WORDS, type Language, type Words } from './i18n';

/** The first language of the person's list that the page speaks. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split('-')[0];
    if (primary === 'ko' || primary === 'en') return primary;
  }
  return 'en';
}

/** The same language as the person's browser writes it, with the region: "en-GB". */
export function pickLocale(wanted: readonly string[], language: Language): string {
  return wanted.find((tag) => tag.toLowerCase().split('-')[0] === language) ?? language;
}

/** What a problem means to the person. The server's own detail is English, so only English shows it. */
export function explain(words: Words, problem: { code: string; limit?: number | undefined; detail?: string | undefined }): string {
  const known: Record<string, (limit?: number) => string> = words.problem;
  if (Object.hasOwn(known, problem.code)) return known[problem.code]!(problem.limit);
  return words === WORDS.en && problem.detail ? problem.detail : words.problemOther(problem.code);
}
