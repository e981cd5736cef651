// A phone: one thing at a time on the screen, a finger instead of a mouse.

import assert from 'node:assert/strict';

import { PASSWORD, PHONE, test } from './support/house.mjs';
import { eventually } from './support/waiting.mjs';

test('a phone gets through signing in, finding a room and talking', async (house) => {
  await house.room('점심 뭐 먹지');
  await house.account('민수');
  const jiyeon = await house.person('지연');
  await jiyeon.enter('점심 뭐 먹지');
  const minsu = await house.stranger(PHONE);
  await minsu.page.goto('/');
  await minsu.page.fill('[name=username]', '민수');
  await minsu.page.fill('[name=password]', PASSWORD);
  await minsu.page.getByRole('button', { name: '들어가기' }).tap();
  await minsu.at('room-list').waitFor();
  assert.equal(await minsu.at('message-log').count(), 0);
  await minsu.fitsTheScreen();

  await minsu.listed('점심 뭐 먹지').tap();
  await minsu.isIn('점심 뭐 먹지');
  assert.equal(await minsu.at('room-list').count(), 0);
  // A keyboard on the screen would cover what the person came to read.
  assert.equal(await minsu.focused(), 'room-title');
  await minsu.at('composer').tap();
  await minsu.page.keyboard.type('폰에서 보내요');
  await minsu.at('send').tap();
  await jiyeon.hears('폰에서 보내요');
  assert.equal(await minsu.focused(), 'composer');
  await jiyeon.say('잘 보여요');
  await minsu.hears('폰에서 보내요', '잘 보여요');
  await minsu.fitsTheScreen();

  await minsu.at('back').tap();
  await minsu.at('room-list').waitFor();
  await minsu.page.goBack();
  await minsu.isIn('점심 뭐 먹지');
  await minsu.page.goBack();
  await minsu.at('new-room').tap();
  await minsu.page.keyboard.type('산책');
  await minsu.at('new-room-dialog').getByRole('button', { name: '만들기' }).tap();
  await minsu.isIn('산책');
});

test('everything to press on a phone is big enough for a finger', async (house) => {
  await house.room('점심 뭐 먹지');
  const admin = await house.person('훈장', { role: 'admin', ...PHONE });
  const small = () =>
    admin.page.evaluate(() =>
      [...document.querySelectorAll('button, input, select, textarea, a[href]')]
        .filter((part) => part.checkVisibility() && !part.matches('.skip, .words a'))
        .map((part) => ({ part, box: part.getBoundingClientRect() }))
        .filter(({ box }) => box.width > 0 && (box.width < 44 || box.height < 44))
        .map(({ part, box }) => `${part.outerHTML.slice(0, 120)} is ${box.width} x ${box.height}`),
    );
  assert.deepEqual(await small(), []);
  await admin.at('new-room').tap();
  assert.deepEqual(await small(), []);
  await admin.page.keyboard.press('Escape');
  await admin.at('invite').tap();
  await admin.page.locator('[data-testid=invite-dialog] form button').tap();
  await admin.at('invite-link').waitFor();
  assert.deepEqual(await small(), []);
  await admin.fitsTheScreen();
  await admin.page.keyboard.press('Escape');
  await admin.listed('점심 뭐 먹지').tap();
  await admin.isIn('점심 뭐 먹지');
  assert.deepEqual(await small(), []);
  await admin.at('manage-room').tap();
  assert.deepEqual(await small(), []);
  await admin.fitsTheScreen();
  const stranger = await house.stranger(PHONE);
  await stranger.page.goto('/login');
  await stranger.at('login-form').waitFor();
  await stranger.fitsTheScreen();
});

test('the composer stays in view, and the end of the log above it, on a low screen', async (house) => {
  await house.room('거실');
  const minsu = await house.person('민수', { ...PHONE, viewport: { width: 390, height: 420 } });
  await minsu.listed('거실').tap();
  await minsu.isIn('거실');
  for (let i = 1; i <= 12; i++) await minsu.say(`${i}번째`);
  await eventually(async () => assert.equal((await minsu.heard()).length, 12));
  const last = minsu.page.getByText('12번째', { exact: true });
  await eventually(async () => {
    const below = (await minsu.at('composer').boundingBox()).y;
    const { y, height } = await last.boundingBox();
    assert.ok(y > 0 && y + height <= below, `the last message ends at ${y + height}, the composer starts at ${below}`);
    assert.ok(below < 420);
  });
});
