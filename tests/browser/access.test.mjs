// For those who do not see the page, or do not use a mouse.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { DESK, PASSWORD, PHONE, test } from './support/house.mjs';
import { eventually } from './support/waiting.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function axeIsContent(person, view) {
  if (!(await person.page.evaluate(() => 'axe' in globalThis))) await person.page.evaluate(AXE);
  const found = await person.page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
  });
  assert.deepEqual(found, [], view);
}

for (const colorScheme of ['light', 'dark']) {
  for (const [screen, options] of [['desk', DESK], ['phone', PHONE]]) {
    test(`axe finds nothing serious in any view (${colorScheme}, ${screen})`, async (house) => {
      house.deliberate(/401|404/);
      const one = await house.stranger({ ...options, colorScheme });
      const { page } = one;
      await page.goto('/login');
      await one.at('setup-hint').waitFor();
      await one.signIn('nobody', 'a guess');
      await one.at('login-error').waitFor();
      await axeIsContent(one, 'login');
      await page.goto(house.server.setupLink);
      await one.makeAccount('훈장', 'short');
      await one.at('field-error').waitFor();
      await axeIsContent(one, 'setup');
      await one.makeAccount('훈장', PASSWORD);
      await one.at('no-rooms').waitFor();
      await axeIsContent(one, 'no rooms');

      const roomId = await house.room('점심 뭐 먹지');
      await house.room('서재');
      await house.account('지연');
      await one.listed('점심 뭐 먹지').waitFor();
      await house.tell(roomId, '지연', ['국수 어때요?', '아니면 https://example.com 여기서 골라요']);
      await one.at('unread-mark').waitFor();
      await axeIsContent(one, 'room list');
      await one.at('new-room').click();
      await axeIsContent(one, 'dialog of a new room');
      await page.keyboard.press('Escape');
      await one.at('invite').click();
      await page.locator('[data-testid=invite-dialog] form button').click();
      await one.at('invite-link').waitFor();
      await axeIsContent(one, 'dialog of an invitation');
      await page.keyboard.press('Escape');

      await one.enter('점심 뭐 먹지');
      await one.say('좋아요!');
      await one.hears('국수 어때요?', '아니면 https://example.com 여기서 골라요', '좋아요!');
      await one.at('composer').fill('글'.repeat(2_001));
      await axeIsContent(one, 'room');
      await one.at('member-count').click();
      await axeIsContent(one, 'people of the room');
      await page.keyboard.press('Escape');
      await one.at('manage-room').click();
      await one.at('delete-room').click();
      await axeIsContent(one, 'dialog to manage a room');
      await page.goto('/chat/room/enter/00000000-0000-4000-8000-000000000000');
      await one.at('room-missing').waitFor();
      await axeIsContent(one, 'no such room');
    });
  }
}

test('axe finds nothing serious while the connection is lost and a message waits', async (house) => {
  house.deliberate(/./);
  await house.room('거실');
  const people = [];
  for (const colorScheme of ['light', 'dark']) {
    const person = await house.person(colorScheme, { colorScheme });
    await person.enter('거실');
    people.push(person);
  }
  await house.server.pullThePlug();
  for (const person of people) {
    await person.at('connection-banner').waitFor();
    await person.say('기다릴게요');
    await person.at('outgoing').waitFor();
    await axeIsContent(person, 'connection lost');
  }
});

test('the keyboard alone is enough to sign in, make a room and talk', async (house) => {
  await house.account('민수');
  const person = await house.stranger();
  const { page } = person;
  const { keyboard } = page;
  await page.goto('/');
  await person.at('login-form').waitFor();
  assert.equal(await person.focused(), 'username');
  await keyboard.type('민수');
  await keyboard.press('Tab');
  await keyboard.type(PASSWORD);
  await keyboard.press('Enter');
  await person.at('no-rooms').waitFor();

  await person.tabTo('new-room');
  await keyboard.press('Enter');
  assert.equal(await person.focused(), 'name');
  await keyboard.press('Escape');
  await person.at('new-room-dialog').waitFor({ state: 'detached' });
  assert.equal(await person.focused(), 'new-room');
  await keyboard.press('Enter');
  await keyboard.type('산책');
  await keyboard.press('Enter');
  await person.isIn('산책');
  assert.equal(await person.focused(), 'composer');
  await keyboard.type('같이 걸어요');
  await keyboard.press('Enter');
  await person.hears('같이 걸어요');

  await person.tabTo('member-count');
  await keyboard.press('Enter');
  await person.at('members').waitFor();
  await keyboard.press('Escape');
  await person.at('members').waitFor({ state: 'hidden' });
  await person.tabTo('message-log');
  await person.tabTo('room-item');
  await keyboard.press('Enter');
  await person.isIn('산책');
  await person.tabTo('sign-out');
  await keyboard.press('Enter');
  await person.at('login-bye').waitFor();
});

test('wherever the keyboard is can be seen', async (house) => {
  await house.room('거실');
  const admin = await house.person('훈장', { role: 'admin' });
  await admin.enter('거실');
  for (let i = 0; i < 14; i++) {
    await admin.page.keyboard.press('Tab');
    const [what, shown] = await admin.page.evaluate(() => {
      const part = document.activeElement;
      const outlined = (element) => getComputedStyle(element).outlineStyle !== 'none';
      return [part.outerHTML.slice(0, 120), part === document.body || outlined(part) || outlined(part.parentElement)];
    });
    assert.ok(shown, what);
  }
});

test('new messages are announced, and what is on its way is not announced twice', async (house) => {
  await house.room('거실');
  await house.account('지연');
  const minsu = await house.person('민수');
  await minsu.enter('거실');
  const log = minsu.page.getByRole('log', { name: '대화' });
  assert.equal(await log.getAttribute('aria-live'), 'polite');
  await minsu.say('안녕하세요');
  await minsu.hears('안녕하세요');
  // Every entry names who speaks, also where the eye sees it from the side it stands on.
  const entry = minsu.page.locator('[data-testid=entry][data-type=TALK]');
  assert.equal(await entry.getByTestId('sender').textContent(), '민수');
  assert.equal(await log.getAttribute('aria-busy'), 'false');
  await house.server.pullThePlug();
  house.deliberate(/./);
  await minsu.say('기다릴게요');
  await minsu.at('outgoing').waitFor();
  assert.equal(await minsu.at('outgoing').getAttribute('aria-live'), 'off');
  const status = minsu.page.getByRole('status').filter({ has: minsu.at('connection-banner') });
  await eventually(async () => assert.match(await status.innerText(), /연결이 끊겼어요/));
});
