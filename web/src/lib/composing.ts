// Which key press means "send". Pure.
//
// One Enter is one message, also when it ends a Hangul composition. Browsers tell that Enter in
// different ways, and all of them must come to the same:
//   a. keydown 229 (composing), compositionend, keydown 13      the second keydown sends
//   b. keydown 229 (composing), compositionend, line break      the line break sends
//   c. keydown 229 (composing), compositionend, keyup           the keyup sends
//   d. compositionend, keydown 229, [line break,] keyup         the line break or the keyup sends
// While the composition lasts nothing is sent: the field would be emptied under the input method,
// which then writes the last syllable into it again. An Enter that picks a candidate (Hanja, kana)
// only picks: it ends a composition whose text is not Hangul.

export interface Typing {
  readonly composing: boolean;
  /** An Enter ended, or is ending, a composition, and no message came of it yet. */
  readonly owed: boolean;
  /** The composition that ended last was Hangul. */
  readonly hangul: boolean;
  /** The line break that follows is meant as one (Shift and Enter). */
  readonly newline: boolean;
}

export interface Key {
  key: string;
  code: string;
  keyCode: number;
  isComposing: boolean;
  shiftKey: boolean;
  repeat: boolean;
}

export interface Verdict {
  typing: Typing;
  send: boolean;
  /** The browser shall not do what it does by default. */
  prevent: boolean;
}

export const AT_REST: Typing = { composing: false, owed: false, hangul: false, newline: false };

export function compositionStart(typing: Typing): Typing {
  return { ...typing, composing: true, owed: false };
}

export function compositionEnd(typing: Typing, text: string): Typing {
  return { ...typing, composing: false, hangul: endsInHangul(text) };
}

export function keyDown(typing: Typing, key: Key): Verdict {
  const newline = isEnter(key) && key.shiftKey;
  const next = { ...typing, newline };
  if (!isEnter(key) || newline) return quiet({ ...next, owed: false });
  if (typing.composing || key.isComposing || key.keyCode === 229) return quiet({ ...next, owed: true });
  return { typing: { ...next, owed: false }, send: !key.repeat, prevent: true };
}

/** The browser is about to put a line break into the field. */
export function lineBreak(typing: Typing): Verdict {
  if (typing.newline) return quiet(typing);
  return { typing: { ...typing, owed: false }, send: !typing.composing, prevent: true };
}

export function keyUp(typing: Typing, key: Key): Verdict {
  if (!isEnter(key)) return quiet(typing);
  const send = typing.owed && typing.hangul && !typing.composing;
  return { typing: { ...typing, owed: false, newline: false }, send, prevent: false };
}

function quiet(typing: Typing): Verdict {
  return { typing, send: false, prevent: false };
}

// An input method hides `key` behind "Process", but `code` still names the key.
function isEnter(key: Key): boolean {
  return key.key === 'Enter' || key.code === 'Enter' || key.code === 'NumpadEnter';
}

function endsInHangul(text: string): boolean {
  return /\p{Script=Hangul}$/u.test(text);
}
