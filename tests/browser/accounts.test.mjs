// The first start, signing in, and the ways to an account.

import assert from 'node:assert/strict';

import { PASSWORD, test } from './support/house.mjs';

test('the link in the log makes the administrator, once', async (house) => {
  const first = await house.stranger();
  await first.page.goto('/');
  await first.at('setup-hint').waitFor();
  const link = house.server.setupLink;
  assert.ok(link?.startsWith(house.url), house.server.log);

  await first.page.goto(link);
  await first.makeAccount('훈장', PASSWORD);
  await first.at('no-rooms').waitFor();
  assert.equal(new URL(first.page.url()).pathname, '/chat/room');
  await first.at('invite').waitFor();

  const second = await house.stranger();
  await second.page.goto(link);
  await second.at('setup-done').waitFor();
  assert.equal(await second.at('account-form').count(), 0);
  const again = await second.context.request.post('/setup', {
    data: { key: new URL(link).searchParams.get('key'), username: 'thief', password: PASSWORD },
  });
  assert.equal(again.status(), 404);
  assert.equal((await again.json()).code, 'setup_done');
});

test('a link without the right key makes nobody administrator', async (house) => {
  house.deliberate(/403/);
  const person = await house.stranger();
  await person.page.goto('/setup');
  await person.at('setup-key-missing').waitFor();
  await person.page.goto('/setup?key=guessed');
  await person.makeAccount('thief', PASSWORD);
  await person.at('form-error').waitFor();
  assert.match(await person.at('form-error').innerText(), /링크가 맞지 않아요/);
});

test('a wrong password is told in words, and the right one leads to where one wanted to go', async (house) => {
  house.deliberate(/401/);
  await house.account('민수');
  const roomId = await house.room('첫 방');
  const person = await house.stranger();
  await person.page.goto(`/chat/room/enter/${roomId}`);
  await person.at('login-form').waitFor();
  await person.signIn('민수', 'a guess');
  await person.at('login-error').waitFor();
  assert.match(await person.at('login-error').innerText(), /이름이나 비밀번호가 맞지 않아요/);
  assert.equal(await person.focused(), 'password');

  await person.page.keyboard.type(PASSWORD);
  await person.page.keyboard.press('Enter');
  await person.isIn('첫 방');
  assert.ok(person.page.url().endsWith(roomId));
});

test('who signs out sees nothing of the rooms any more', async (house) => {
  house.deliberate(/401/);
  const person = await house.person('민수');
  await person.at('sign-out').click();
  await person.at('login-bye').waitFor();
  await person.page.goto('/chat/room');
  await person.at('login-form').waitFor();
  await person.page.goBack();
  await person.at('login-form').waitFor();
});

test('an invitation link leads a new person in', async (house) => {
  house.deliberate(/409/);
  const admin = await house.person('훈장', { role: 'admin' });
  await admin.at('invite').click();
  await admin.page.locator('[data-testid=invite-dialog] form button').click();
  const link = await admin.at('invite-link').inputValue();
  assert.ok(link.startsWith(`${house.url}/signup?invite=`), link);

  const guest = await house.stranger();
  await guest.page.goto(link);
  await guest.makeAccount('훈장', PASSWORD);
  await guest.at('field-error').waitFor();
  assert.match(await guest.at('field-error').innerText(), /이미 있는 이름/);
  await guest.page.fill('[name=again]', 'something else');
  await guest.page.keyboard.press('Enter');
  await guest.page.getByText('두 비밀번호가 서로 달라요.').waitFor();
  await guest.makeAccount('지연', PASSWORD);
  await guest.at('room-list').waitFor();
  assert.match(await guest.at('me').innerText(), /지연/);
  assert.equal(await guest.at('invite').count(), 0);
});

test('a guest is told that a guest may not talk yet', async (house) => {
  house.deliberate(/403/);
  await house.account('손님', 'guest');
  const person = await house.stranger();
  await person.page.goto('/login');
  await person.signIn('손님', PASSWORD);
  await person.page.getByText('아직 대화에 참여할 수 없어요').waitFor();
  await person.page.reload();
  await person.page.getByText('손님 계정이에요').waitFor();
  await person.page.getByRole('button', { name: '로그아웃' }).click();
  await person.at('login-bye').waitFor();
});
