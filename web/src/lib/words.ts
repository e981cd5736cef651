// The language of this page, chosen once when it loads.
import { WORDS } from './i18n';
import { explain as explainIn, pickLanguage, pickLocale } from './language';
import { Clock } from './time';

export const language = pickLanguage(navigator.languages);
export const t = WORDS[language];
export const clock = new Clock(pickLocale(navigator.languages, language), t);

export function explain(problem: { code: string; limit?: number | undefined; detail?: string | undefined }): string {
  return explainIn(t, problem);
}
