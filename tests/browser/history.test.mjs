// What was said before: on entering, on scrolling up, and as days go by.

import assert from 'node:assert/strict';

import { test } from './support/house.mjs';
import { eventually } from './support/waiting.mjs';

const FAST = { LIMITS__MESSAGES_BURST: 1000, LIMITS__MESSAGES_PER_SECOND: 1000 };
const lines = (count, word) => Array.from({ length: count }, (_, i) => `${word} ${i + 1}`);

test('entering shows the newest messages at the end of the log, scrolling up the ones before', FAST, async (house) => {
  const roomId = await house.room('서재');
  await house.account('지연');
  const told = lines(130, '이야기');
  await house.tell(roomId, '지연', told);
  const minsu = await house.person('민수');
  await minsu.enter('서재');
  await minsu.page.getByText('이야기 130', { exact: true }).waitFor();
  const first = await minsu.heard();
  assert.ok(first.length < told.length, `${first.length} messages at once`);
  assert.deepEqual(first, told.slice(-first.length));
  const fromEnd = () =>
    minsu.at('message-log').evaluate((log) => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight));
  await eventually(async () => assert.ok((await fromEnd()) < 2));

  // What one reads stays where it is while more comes in above.
  await minsu.at('message-log').hover();
  await eventually(async () => {
    await minsu.page.mouse.wheel(0, -600);
    assert.deepEqual(await minsu.heard(), told);
  });
  await minsu.page.getByText('여기가 대화의 처음이에요.').waitFor();
  await minsu.seesEveryEntryOnce();
});

test('who reads above is not pulled down by news, but told of it', FAST, async (house) => {
  const roomId = await house.room('서재');
  await house.account('지연');
  await house.tell(roomId, '지연', lines(80, '이야기'));
  const minsu = await house.person('민수');
  await minsu.enter('서재');
  await minsu.page.getByText('이야기 80', { exact: true }).waitFor();
  const log = minsu.at('message-log');
  await log.evaluate((box) => box.scrollTo(0, box.scrollHeight / 2));
  await minsu.at('to-end').waitFor();
  const seen = minsu.page.getByText('이야기 60', { exact: true });
  await eventually(async () => assert.ok(await seen.isVisible()));
  const before = (await seen.boundingBox()).y;

  await house.tell(roomId, '지연', ['소식 1', '소식 2', '소식 3']);
  await eventually(async () => assert.equal(await minsu.at('to-end').getAttribute('data-fresh'), '3'));
  assert.match(await minsu.at('to-end').innerText(), /새 메시지 3개/);
  assert.ok(Math.abs((await seen.boundingBox()).y - before) < 2);
  await minsu.at('to-end').click();
  await eventually(async () => assert.ok(await minsu.page.getByText('소식 3', { exact: true }).isVisible()));
  await minsu.at('to-end').waitFor({ state: 'detached' });
});

test('at midnight today becomes yesterday, also in a page that nobody touches', async (house) => {
  const roomId = await house.room('서재');
  await house.account('지연');
  await house.tell(roomId, '지연', ['오늘 하루도 수고하셨어요']);
  await house.account('민수');
  const minsu = await house.guestAt('/login', '민수');
  await minsu.page.clock.install({ time: new Date().setHours(23, 50, 0, 0) });
  await minsu.page.goto(`/chat/room/enter/${roomId}`);
  await minsu.isIn('서재');
  await minsu.hears('오늘 하루도 수고하셨어요');
  const day = minsu.page.locator('.day time').first();
  const inList = minsu.listed('서재').locator('time');
  assert.equal(await day.innerText(), '오늘');
  assert.match(await inList.innerText(), /^오[전후] \d+:\d\d$/);
  await minsu.page.clock.fastForward('10:05');
  await eventually(async () => assert.equal(await day.innerText(), '어제'));
  await eventually(async () => assert.equal(await inList.innerText(), '어제'));
});
