// One Enter is one message, also while Hangul is being composed. Chromium is driven below the page, as its input
// methods drive it; for Safari, whose order differs, the events themselves are dispatched.

import assert from 'node:assert/strict';

import { test } from './support/house.mjs';
import { eventually } from './support/waiting.mjs';

async function composing(house) {
  await house.room('거실');
  const person = await house.person('민수');
  await person.enter('거실');
  await person.at('composer').focus();
  const devtools = await person.context.newCDPSession(person.page);
  const compose = async (...steps) => {
    for (const text of steps) {
      await devtools.send('Input.imeSetComposition', {
        text,
        selectionStart: text.length,
        selectionEnd: text.length,
      });
    }
  };
  const key = (type, code = 13, more = {}) =>
    devtools.send('Input.dispatchKeyEvent', {
      type,
      key: code === 229 ? 'Process' : 'Enter',
      code: 'Enter',
      windowsVirtualKeyCode: code,
      nativeVirtualKeyCode: code,
      ...more,
    });
  const commit = (text) => devtools.send('Input.insertText', { text });
  return { person, compose, commit, key };
}

/** Nothing more came: the next message, said without an input method, is the very next one. */
async function andNothingElse(person, ...texts) {
  await person.say('끝');
  await person.hears(...texts, '끝');
  assert.equal(await person.at('composer').inputValue(), '');
}

test('Enter that ends a composition sends one message (keydown 229, commit, keydown 13)', async (house) => {
  const { person, compose, commit, key } = await composing(house);
  await compose('ㅎ', '하', '한', '한ㄱ', '한그', '한글');
  await key('rawKeyDown', 229);
  assert.deepEqual(await person.heard(), []);
  await commit('한글');
  await key('keyDown', 13, { text: '\r' });
  await key('keyUp');
  await person.hears('한글');
  await andNothingElse(person, '한글');
});

test('Enter that ends a composition sends one message (keydown 229, commit, keyup alone)', async (house) => {
  const { person, compose, commit, key } = await composing(house);
  await compose('ㅂ', '바', '밥');
  await key('rawKeyDown', 229);
  await commit('밥');
  await key('keyUp');
  await person.hears('밥');
  await andNothingElse(person, '밥');
});

test('syllables that end without Enter send nothing, and the Enter after them sends all of them once', async (house) => {
  const { person, compose, commit, key } = await composing(house);
  await compose('ㅈ', '저', '저ㄴ', '전');
  await commit('전');
  await compose('ㅎ', '화');
  await commit('화');
  await person.page.keyboard.press('Space');
  await compose('ㅈ', '주');
  await key('rawKeyDown', 229);
  await commit('주');
  await key('keyDown', 13, { text: '\r' });
  await key('keyUp');
  await person.hears('전화 주');
  await andNothingElse(person, '전화 주');
});

test('in the order of Safari, where the composition ends before the keydown, one Enter sends one message', async (house) => {
  const { person } = await composing(house);
  await person.at('composer').evaluate((area) => {
    const key = (type, keyCode) =>
      area.dispatchEvent(
        new KeyboardEvent(type, { key: 'Enter', code: 'Enter', keyCode, bubbles: true, cancelable: true }),
      );
    area.dispatchEvent(new CompositionEvent('compositionstart', { bubbles: true }));
    area.value = '사랑';
    area.dispatchEvent(new InputEvent('input', { data: '사랑', isComposing: true, bubbles: true }));
    area.dispatchEvent(new CompositionEvent('compositionend', { data: '사랑', bubbles: true }));
    key('keydown', 229);
    key('keyup', 13);
  });
  await person.hears('사랑');
  await andNothingElse(person, '사랑');
});

test('plain Enter sends one message, Shift and Enter none, and an empty line none', async (house) => {
  const { person } = await composing(house);
  const { keyboard } = person.page;
  await keyboard.press('Enter');
  await keyboard.type('first line');
  await keyboard.press('Shift+Enter');
  await keyboard.type('second line');
  assert.equal(await person.at('composer').inputValue(), 'first line\nsecond line');
  assert.deepEqual(await person.heard(), []);
  await keyboard.press('Enter');
  await person.hears('first line\nsecond line');
  await keyboard.type('   ');
  await keyboard.press('Enter');
  await person.at('composer').fill('');
  await andNothingElse(person, 'first line\nsecond line');
});

test('Shift and Enter in the middle of a composition breaks the line and sends nothing', async (house) => {
  const { person, compose, commit, key } = await composing(house);
  await compose('ㅎ', '하');
  await key('rawKeyDown', 229, { modifiers: 8 });
  await commit('하');
  await key('keyDown', 13, { text: '\r', modifiers: 8 });
  await key('keyUp', 13, { modifiers: 8 });
  await eventually(async () => assert.equal(await person.at('composer').inputValue(), '하\n'));
  assert.deepEqual(await person.heard(), []);
  await compose('ㄴ', '나');
  await key('rawKeyDown', 229);
  await commit('나');
  await key('keyDown', 13, { text: '\r' });
  await key('keyUp');
  await person.hears('하\n나');
  await andNothingElse(person, '하\n나');
});
