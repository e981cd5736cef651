import { describe, expect, it } from 'vitest';
import {
  AT_REST, compositionEnd, compositionStart, keyDown, keyUp, lineBreak,
  type Key, type Typing, type Verdict,
} from './composing';

type Step =
  | { do: 'start' } | { do: 'end'; text: string } | { do: 'break' }
  | { do: 'down' | 'up'; key: Partial<Key> };

const start: Step = { do: 'start' };
const end = (text: string): Step => ({ do: 'end', text });
const lineBreaks: Step = { do: 'break' };
const down = (key: Partial<Key> = {}): Step => ({ do: 'down', key });
const up = (key: Partial<Key> = {}): Step => ({ do: 'up', key });
const composingEnter = down({ keyCode: 229, isComposing: true });

/** Plays the events one after another; tells how many messages came of them and where. */
function play(...steps: Step[]): { sent: number; sentWhileComposing: number; prevented: number } {
  let typing: Typing = AT_REST;
  const told = { sent: 0, sentWhileComposing: 0, prevented: 0 };
  const take = (verdict: Verdict) => {
    if (verdict.send) told.sent++;
    if (verdict.send && typing.composing) told.sentWhileComposing++;
    if (verdict.prevent) told.prevented++;
    typing = verdict.typing;
  };
  for (const step of steps) {
    const key: Key = {
      key: 'Enter', code: 'Enter', keyCode: 13, isComposing: false, shiftKey: false, repeat: false,
      ...('key' in step ? step.key : {}),
    };
    if (step.do === 'start') typing = compositionStart(typing);
    else if (step.do === 'end') typing = compositionEnd(typing, step.text);
    else if (step.do === 'break') take(lineBreak(typing));
    else take(step.do === 'down' ? keyDown(typing, key) : keyUp(typing, key));
  }
  return told;
}

describe('Enter', () => {
  it('sends one message and puts no line break into the field', () => {
    expect(play(down(), up())).toEqual({ sent: 1, sentWhileComposing: 0, prevented: 1 });
  });

  it('sends nothing more while it is held down', () => {
    expect(play(down(), down({ repeat: true }), down({ repeat: true }), up()).sent).toBe(1);
  });

  it('makes a new line together with Shift', () => {
    const shift = { shiftKey: true };
    expect(play(down(shift), lineBreaks, up(shift))).toEqual({ sent: 0, sentWhileComposing: 0, prevented: 0 });
  });

  it('sends again after a new line was made', () => {
    const shift = { shiftKey: true };
    expect(play(down(shift), lineBreaks, up(shift), down(), up()).sent).toBe(1);
  });

  it('sends when a keyboard on the screen tells of a line break only', () => {
    const unknown = { key: 'Unidentified', code: '', keyCode: 229 };
    expect(play(down(unknown), lineBreaks, up(unknown)).sent).toBe(1);
  });
});

describe('the Enter that ends a Hangul composition gives exactly one message', () => {
  it('where the browser tells it twice', () => {
    expect(play(start, composingEnter, end('녕'), down(), up()))
      .toEqual({ sent: 1, sentWhileComposing: 0, prevented: 1 });
  });

  it('where the browser breaks the line after the composition', () => {
    expect(play(start, composingEnter, end('녕'), lineBreaks, up()))
      .toEqual({ sent: 1, sentWhileComposing: 0, prevented: 1 });
  });

  it('where the browser tells it once, while composing', () => {
    expect(play(start, composingEnter, end('녕'), up()))
      .toEqual({ sent: 1, sentWhileComposing: 0, prevented: 0 });
  });

  it('where the composition ends before the key is told, as in Safari', () => {
    expect(play(start, end('녕'), down({ keyCode: 229 }), up()).sent).toBe(1);
    expect(play(start, end('녕'), down({ keyCode: 229 }), lineBreaks, up()).sent).toBe(1);
    expect(play(start, end('녕'), down({ keyCode: 229 }), down(), up()).sent).toBe(1);
  });

  it('where the input method hides the key behind Process', () => {
    expect(play(start, down({ key: 'Process', keyCode: 229, isComposing: true }), end('녕'), up()).sent).toBe(1);
  });

  it('also for a single letter that is no syllable yet', () => {
    expect(play(start, composingEnter, end('ㅋ'), up()).sent).toBe(1);
  });

  it('message after message', () => {
    const one = [start, composingEnter, end('네'), down(), up()];
    expect(play(...one, ...one, ...one).sent).toBe(3);
  });
});

describe('a composition', () => {
  it('is never sent while it lasts', () => {
    expect(play(start, composingEnter, up()).sent).toBe(0);
    expect(play(start, down(), up()).sent).toBe(0);
    expect(play(start, lineBreaks).sent).toBe(0);
  });

  it('that Enter left open is sent by the next Enter alone', () => {
    expect(play(start, composingEnter, up(), end('녕'), down(), up()).sent).toBe(1);
  });

  it('whose candidate was picked with Enter waits for another Enter', () => {
    expect(play(start, composingEnter, end('漢字'), up()).sent).toBe(0);
    expect(play(start, composingEnter, end('漢字'), up(), down(), up()).sent).toBe(1);
  });

  it('that another key ended is not sent', () => {
    const space = { key: ' ', code: 'Space', keyCode: 229, isComposing: true };
    expect(play(start, down(space), end('녕'), up(space)).sent).toBe(0);
  });

  it('that was broken with Shift and Enter makes a new line only', () => {
    const shift = { shiftKey: true, keyCode: 229, isComposing: true };
    expect(play(start, down(shift), end('녕'), lineBreaks, up({ shiftKey: true })).sent).toBe(0);
  });
});
