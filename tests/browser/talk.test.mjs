// People in rooms: what one says the other hears, who is counted, what is marked as unread.

import assert from 'node:assert/strict';

import { test } from './support/house.mjs';
import { eventually } from './support/waiting.mjs';

test('two people in one room hear each other and see the right count', async (house) => {
  await house.room('점심 뭐 먹지');
  const minsu = await house.person('민수');
  const jiyeon = await house.person('지연');
  await minsu.enter('점심 뭐 먹지');
  await minsu.counts(1);
  await jiyeon.enter('점심 뭐 먹지');
  await minsu.counts(2);
  await jiyeon.counts(2);
  assert.match(await minsu.at('member-count').innerText(), /2명이 함께 있어요/);

  await minsu.say('국수 어때요?');
  await jiyeon.hears('국수 어때요?');
  await jiyeon.say('좋아요!');
  await minsu.hears('국수 어때요?', '좋아요!');
  const mine = minsu.page.locator('[data-testid=entry][data-mine=true] [data-testid=message-text]');
  assert.deepEqual(await mine.allTextContents(), ['국수 어때요?']);
  await eventually(async () => assert.equal(await minsu.at('outgoing').count(), 0));

  await minsu.at('member-count').click();
  const names = minsu.at('members').locator('li');
  await eventually(async () => assert.deepEqual(await names.allInnerTexts(), ['지연', '민수 나']));

  await jiyeon.page.close();
  await minsu.counts(1);
  await minsu.page.locator('[data-type=QUIT]', { hasText: '지연님이 방에서 나갔습니다.' }).waitFor();
  await minsu.seesEveryEntryOnce();
});

test('two tabs of one person are one person, until the last is closed', async (house) => {
  await house.room('거실');
  const minsu = await house.person('민수');
  const jiyeon = await house.person('지연');
  await minsu.enter('거실');
  await jiyeon.enter('거실');
  await minsu.counts(2);
  const second = await jiyeon.context.newPage();
  await second.goto(jiyeon.page.url());
  await second.locator('[data-testid=message-log][aria-busy=false]').waitFor();
  await jiyeon.say('두 번째 창도 있어요');
  await second.getByText('두 번째 창도 있어요').waitFor();
  assert.equal(await minsu.count(), 2);
  assert.equal(await second.getByTestId('member-count').getAttribute('data-count'), '2');

  await second.close();
  await jiyeon.say('하나 닫았어요');
  await minsu.hears('두 번째 창도 있어요', '하나 닫았어요');
  assert.equal(await minsu.count(), 2);
  assert.equal(await minsu.page.locator('[data-type=QUIT]').count(), 0);
  assert.equal(await minsu.page.locator('[data-type=ENTER]', { hasText: '지연' }).count(), 1);
  await jiyeon.page.close();
  await minsu.counts(1);
});

test('the room list lives: new rooms, new names, counts and rooms that are gone', async (house) => {
  // Who is in the room, and what was said there, may be asked for in the moment in which it is deleted.
  house.deliberate(/404.*\/(members|messages)/);
  const watcher = await house.person('지연');
  await watcher.at('no-rooms').waitFor();
  const admin = await house.person('훈장', { role: 'admin' });
  await admin.at('new-room').click();
  await admin.page.keyboard.type('봄 소풍');
  await admin.page.keyboard.press('Enter');
  await admin.isIn('봄 소풍');
  const count = watcher.listed('봄 소풍').getByTestId('room-count');
  await eventually(async () => assert.equal(await count.getAttribute('data-count'), '1'));
  assert.match(await count.innerText(), /1명/);

  await admin.at('manage-room').click();
  await admin.page.fill('[data-testid=manage-room-dialog] [name=name]', '가을 소풍');
  await admin.page.keyboard.press('Enter');
  await watcher.listed('가을 소풍').waitFor();
  await admin.isIn('가을 소풍');

  await watcher.enter('가을 소풍');
  await admin.at('manage-room').click();
  await admin.at('delete-room').click();
  await admin.at('delete-room').click();
  await watcher.at('room-missing').waitFor();
  await admin.at('no-rooms').waitFor();
  await watcher.at('no-rooms').waitFor();
});

test('a room is marked unread when somebody else spoke, until it is looked at', async (house) => {
  await house.room('거실');
  await house.room('서재');
  const minsu = await house.person('민수');
  const jiyeon = await house.person('지연');
  await jiyeon.enter('서재');
  await minsu.enter('거실');
  await eventually(async () => {
    assert.equal(await jiyeon.listed('거실').getByTestId('room-count').getAttribute('data-count'), '1');
  });
  await minsu.say('여기 봐 주세요');
  await jiyeon.listed('거실').getByTestId('unread-mark').waitFor();
  // Coming and going alone is no news: the other room has nothing to read.
  assert.equal(await minsu.at('unread-mark').count(), 0);
  assert.equal(await jiyeon.listed('서재').getAttribute('data-unread'), 'false');

  // The mark outlives the page, and goes when the room is opened.
  await jiyeon.page.reload();
  await jiyeon.listed('거실').getByTestId('unread-mark').waitFor();
  await jiyeon.enter('거실');
  await jiyeon.hears('여기 봐 주세요');
  await eventually(async () => assert.equal(await jiyeon.at('unread-mark').count(), 0));
});

test('an address of no room says so, and leads back', async (house) => {
  house.deliberate(/404/);
  await house.account('민수');
  const minsu = await house.guestAt('/chat/room/enter/00000000-0000-4000-8000-000000000000', '민수');
  await minsu.at('room-missing').waitFor();
  await minsu.at('room-missing').getByRole('link').click();
  await minsu.at('no-rooms').waitFor();
});

// Eight messages pass only if they take seven seconds to be said.
const SLOW = { LIMITS__MESSAGES_BURST: 1, LIMITS__MESSAGES_PER_SECOND: 1 };

test('a message that the server refuses says why, and can be sent again or dropped', SLOW, async (house) => {
  await house.room('거실');
  const minsu = await house.person('민수');
  await minsu.enter('거실');
  const words = ['하나', '둘', '셋', '넷', '다섯', '여섯', '일곱', '여덟'];
  for (const text of words) await minsu.say(text);
  await minsu.at('outgoing-error').first().waitFor();
  assert.match(await minsu.at('outgoing-error').first().innerText(), /보내지 못했어요.*너무 빨리 보내고 있어요/s);
  const failed = minsu.page.locator('[data-testid=outgoing][data-state=failed]');
  const dropped = await failed.last().getByTestId('message-text').textContent();
  // By its words: a later message may be refused meanwhile, and be the last one then.
  await failed.filter({ hasText: dropped }).getByTestId('discard').click();
  assert.equal(await minsu.focused(), 'composer');
  await eventually(async () => {
    if ((await failed.count()) > 0) await failed.first().getByTestId('retry').click();
    assert.equal(await minsu.at('outgoing').count(), 0);
  });
  const heard = await minsu.heard();
  assert.deepEqual(heard.toSorted(), words.filter((text) => text !== dropped).toSorted());
  await minsu.seesEveryEntryOnce();
});

test('what was written and not sent waits while one looks into another room', async (house) => {
  await house.room('거실');
  await house.room('서재');
  const minsu = await house.person('민수');
  await minsu.enter('거실');
  await minsu.at('composer').fill('아직 다 못 쓴 글');
  await minsu.enter('서재');
  assert.equal(await minsu.at('composer').inputValue(), '');
  await minsu.enter('거실');
  assert.equal(await minsu.at('composer').inputValue(), '아직 다 못 쓴 글');
});
