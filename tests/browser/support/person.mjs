// Somebody with a browser: what they do, and what they see.

import assert from 'node:assert/strict';

import { eventually } from './waiting.mjs';

export class Person {
  name = '';

  constructor(context, page) {
    this.context = context;
    this.page = page;
  }

  /** The part of the page with this name. */
  at(name) {
    return this.page.getByTestId(name);
  }

  async signIn(name, password) {
    await this.page.fill('[name=username]', name);
    await this.page.fill('[name=password]', password);
    await this.page.keyboard.press('Enter');
  }

  async makeAccount(name, password) {
    await this.page.fill('[name=username]', name);
    await this.page.fill('[name=password]', password);
    await this.page.fill('[name=again]', password);
    await this.page.keyboard.press('Enter');
  }

  /** The line of a room in the room list. */
  listed(roomName) {
    return this.at('room-item').filter({ hasText: roomName });
  }

  async enter(roomName) {
    await this.listed(roomName).click();
    await this.isIn(roomName);
  }

  /** Waits until the room is open and the server has let this person in. */
  async isIn(roomName) {
    await eventually(async () => assert.equal((await this.at('room-title').textContent()).trim(), roomName));
    await this.page.locator('[data-testid=message-log][aria-busy=false]').waitFor();
    await this.page.locator('[data-testid=entry]').first().waitFor();
  }

  async say(text) {
    await this.at('composer').fill(text);
    await this.at('composer').press('Enter');
  }

  /** Everything that was said, from top to bottom. */
  heard() {
    return this.page.locator('[data-testid=entry][data-type=TALK] [data-testid=message-text]').allTextContents();
  }

  /** The offsets of all entries in view, from top to bottom. */
  offsets() {
    return this.page.getByTestId('entry').evaluateAll((entries) => entries.map((entry) => Number(entry.dataset.offset)));
  }

  /** How many people the open room says are in it. */
  async count() {
    return Number(await this.at('member-count').getAttribute('data-count'));
  }

  async hears(...texts) {
    await eventually(async () => assert.deepEqual(await this.heard(), texts));
  }

  async counts(count) {
    await eventually(async () => assert.equal(await this.count(), count));
  }

  /** Every entry once, none missing, in order. */
  async seesEveryEntryOnce() {
    const offsets = await this.offsets();
    assert.deepEqual(offsets, offsets.map((_, i) => offsets[0] + i));
  }

  /** Nothing is wider than the screen. */
  async fitsTheScreen() {
    const wide = await this.page.evaluate(() => {
      const boxes = [document.documentElement, ...document.querySelectorAll('[data-testid=message-log], .list, dialog')];
      return boxes.filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.outerHTML.slice(0, 200));
    });
    assert.deepEqual(wide, [], 'what can be scrolled sideways');
  }

  /** Where the keyboard is. */
  focused() {
    return this.page.evaluate(() => document.activeElement?.dataset.testid ?? document.activeElement?.getAttribute('name'));
  }

  /** Presses Tab until the keyboard is at the part with this name. */
  async tabTo(name) {
    for (let i = 0; i < 40; i++) {
      if ((await this.focused()) === name) return;
      await this.page.keyboard.press('Tab');
    }
    assert.fail(`${name} cannot be reached by Tab`);
  }
}
