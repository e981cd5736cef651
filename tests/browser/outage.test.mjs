// The server goes away and comes back; nothing is lost, nothing is there twice.

import assert from 'node:assert/strict';

import { test } from './support/house.mjs';
import { AWAY } from './support/outages.mjs';
import { eventually } from './support/waiting.mjs';

test('a killed server comes back with every message, once and in order, also those typed while it was away', async (house) => {
  house.deliberate(AWAY);
  await house.room('거실');
  const minsu = await house.person('민수');
  const jiyeon = await house.person('지연');
  await minsu.enter('거실');
  await jiyeon.enter('거실');
  const before = ['하나', '둘', '셋'];
  for (const text of before) await minsu.say(text);
  await jiyeon.hears(...before);
  // Its receipt may be on its way yet.
  await eventually(async () => assert.equal(await minsu.at('outgoing').count(), 0));

  await house.server.pullThePlug();
  await minsu.at('connection-banner').waitFor();
  await jiyeon.at('connection-banner').waitFor();
  const meanwhile = ['넷', '다섯', '여섯', '일곱', '여덟', '아홉', '열'];
  for (const text of meanwhile) await minsu.say(text);
  await jiyeon.say('저도요');
  await eventually(async () => assert.equal(await minsu.at('outgoing').count(), meanwhile.length));

  await house.server.startAgain();
  await minsu.at('connection-banner').waitFor({ state: 'detached' });
  await jiyeon.at('connection-banner').waitFor({ state: 'detached' });
  await eventually(async () => {
    const heard = await jiyeon.heard();
    assert.deepEqual(heard.filter((text) => text !== '저도요'), [...before, ...meanwhile]);
    assert.equal(heard.filter((text) => text === '저도요').length, 1);
    assert.deepEqual(await minsu.heard(), heard);
  });
  await eventually(async () => assert.equal(await minsu.at('outgoing').count(), 0));
  await eventually(async () => assert.equal(await jiyeon.at('outgoing').count(), 0));
  await minsu.seesEveryEntryOnce();
  await jiyeon.seesEveryEntryOnce();
  await minsu.counts(2);
  await jiyeon.counts(2);
  assert.deepEqual(await minsu.offsets(), await jiyeon.offsets());
});

test('a lost network is told, tried again on request, and what was missed is there afterwards', async (house) => {
  house.deliberate(AWAY);
  const roomId = await house.room('거실');
  const minsu = await house.person('민수');
  await house.account('지연');
  await minsu.enter('거실');
  await minsu.context.setOffline(true);
  await minsu.at('connection-banner').waitFor();
  assert.match(await minsu.at('connection-banner').innerText(), /연결이 끊겼어요/);
  await house.tell(roomId, '지연', ['들리세요?', '안 들리나 봐요']);
  await minsu.say('잠깐만요');
  await minsu.at('outgoing').waitFor();

  await minsu.context.setOffline(false);
  await minsu.hears('들리세요?', '안 들리나 봐요', '잠깐만요');
  await minsu.at('connection-banner').waitFor({ state: 'detached' });
  await minsu.seesEveryEntryOnce();
});

test('while nothing can be stored the page says so, keeps what is written, and sends it in its order afterwards', async (house) => {
  await house.room('거실');
  const minsu = await house.person('민수');
  const jiyeon = await house.person('지연');
  await minsu.enter('거실');
  await jiyeon.enter('거실');
  await minsu.say('하나');
  await jiyeon.hears('하나');

  await house.server.storeIsAway(true);
  await minsu.say('둘');
  for (const person of [minsu, jiyeon]) {
    await person.page.locator('[role=status] [data-testid=store-banner]').waitFor();
    assert.match(await person.at('store-banner').innerText(), /저장할 수 없어요/);
  }
  await minsu.say('셋');
  await eventually(async () => assert.equal(await minsu.at('outgoing').count(), 2));
  await eventually(async () => assert.match(await minsu.at('outgoing').last().innerText(), /아직 보내지 못했어요/));
  assert.equal(await minsu.at('outgoing-error').count(), 0);
  // Whoever comes meanwhile is told as well.
  await jiyeon.page.reload();
  await jiyeon.at('store-banner').waitFor();

  await house.server.storeIsAway(false);
  await minsu.at('store-banner').waitFor({ state: 'detached' });
  await jiyeon.at('store-banner').waitFor({ state: 'detached' });
  await minsu.hears('하나', '둘', '셋');
  await eventually(async () => assert.deepEqual(await jiyeon.heard(), ['하나', '둘', '셋']));
  await eventually(async () => assert.equal(await minsu.at('outgoing').count(), 0));
  await minsu.seesEveryEntryOnce();
});

test('a draft and an unsent message outlive a reload', async (house) => {
  house.deliberate(AWAY);
  await house.room('거실');
  const minsu = await house.person('민수');
  await minsu.enter('거실');
  await house.server.pullThePlug();
  await minsu.at('connection-banner').waitFor();
  await minsu.say('살아남기');
  await minsu.at('outgoing').waitFor();
  await house.server.startAgain();
  await minsu.page.reload();
  await minsu.hears('살아남기');
  await eventually(async () => assert.equal(await minsu.at('outgoing').count(), 0));
  await minsu.seesEveryEntryOnce();
});
