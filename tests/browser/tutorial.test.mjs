// examples/tutorial: a front-end in the tutorial's manner, built by npm and given out by another site than the server's.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { PASSWORD, PHONE, test } from './support/house.mjs';
import { LATE, PATIENT } from './support/old_page.mjs';
import { AWAY } from './support/outages.mjs';
import { eventually } from './support/waiting.mjs';

const EXAMPLE = fileURLToPath(new URL('../../examples/tutorial', import.meta.url));
const KINDS = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };

let folder = '';
const elsewhere = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const path = normalize(pathname === '/' ? '/index.html' : pathname);
  const file = await readFile(join(folder, path)).catch(() => undefined);
  response.writeHead(file ? 200 : 404, { 'Content-Type': KINDS[extname(path)] ?? 'text/plain' });
  response.end(path.endsWith('/sockjs.js') ? `${file}\n${PATIENT}` : file);
});
await new Promise((listening) => elsewhere.listen(0, '127.0.0.1', listening));
after(() => elsewhere.close());
/** Another site than 127.0.0.1, where the server is: no cookie of the server's comes with its calls. */
const PAGE = `http://localhost:${elsewhere.address().port}`;

/** A test with the page built for its server. */
const withThePage = (sentence, body) =>
  test(sentence, { ALLOWED_ORIGINS: PAGE }, async (house) => {
    folder = await mkdtemp(join(tmpdir(), 'sarangbang-tutorial-'));
    try {
      const env = { ...process.env, SERVER: house.url, OUT: folder };
      await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: EXAMPLE, env });
      await body(house);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

/** Somebody in front of the page's list of rooms, signed in by its form. */
async function signedIn(house, name, options) {
  await house.account(name);
  const { page } = await house.stranger(options);
  await page.goto(PAGE);
  await page.fill('[name=username]', name);
  await page.fill('[name=password]', PASSWORD);
  await page.click('button[type=submit]');
  await page.locator('[name=room]').waitFor();
  return page;
}

const entered = (page, roomName) => page.locator('h1', { hasText: roomName }).waitFor();
const heard = (page, kind) => page.locator(`.messages ${kind}`).allInnerTexts();
const count = async (page) => Number(await page.locator('h1 .count').innerText());
const texts = (page) => heard(page, 'li span');

async function say(page, text) {
  await page.fill('[name=message]', text);
  await page.keyboard.press('Enter');
}

async function picture(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `tutorial-${name}.png`) });
}

async function fitsTheScreen(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0, 'what can be scrolled sideways');
}

withThePage('two people sign in on a page elsewhere, make a room, talk in it and leave', async (house) => {
  house.deliberate(/answer: 401 POST .*\/login/, /401 \(Unauthorized\).*\/login/, LATE);
  await house.account('minsu');
  const { page: minsu } = await house.stranger();
  await minsu.goto(PAGE);
  await picture(minsu, 'sign-in-desk');
  await minsu.fill('[name=username]', 'minsu');
  await minsu.fill('[name=password]', 'not this one');
  await minsu.keyboard.press('Enter');
  await minsu.getByText('이름이나 비밀번호가 맞지 않습니다.').waitFor();
  await minsu.fill('[name=password]', PASSWORD);
  await minsu.keyboard.press('Enter');

  await minsu.getByText('아직 채팅방이 없습니다.').waitFor();
  await minsu.fill('[name=room]', '사랑방');
  await minsu.click('text=개설');
  await minsu.click('.rooms a:has-text("사랑방")');
  await entered(minsu, '사랑방');
  await eventually(async () => assert.deepEqual(await heard(minsu, 'li.notice'), ['minsu님이 방에 입장했습니다.']));

  const jiyeon = await signedIn(house, 'jiyeon', { ...PHONE, locale: 'en-US' });
  await fitsTheScreen(jiyeon);
  await picture(jiyeon, 'rooms-phone');
  assert.equal(await jiyeon.locator('.rooms .count').innerText(), '1');
  await jiyeon.click('.rooms a');
  await entered(jiyeon, '사랑방');
  await eventually(async () => assert.deepEqual([await count(minsu), await count(jiyeon)], [2, 2]));

  await say(minsu, '안녕하세요 👋');
  await eventually(async () => assert.deepEqual(await texts(jiyeon), ['안녕하세요 👋']));
  await say(jiyeon, '<b>반가워요</b> — 오늘은 사랑방에서 오래 이야기해요. 차도 있고 떡도 있어요.');
  await say(jiyeon, '주소는https://chat.example.com/chat/room/enter/123e4567-e89b-42d3-a456-426614174000-이에요');
  await say(minsu, '   ');
  await say(minsu, '좋아요');
  await eventually(async () => {
    assert.equal((await texts(minsu)).length, 4);
    assert.deepEqual(await texts(minsu), await texts(jiyeon));
  });
  assert.match((await texts(minsu))[1], /^<b>반가워요<\/b>/, 'as it was typed');
  for (const page of [minsu, jiyeon]) await fitsTheScreen(page);
  await picture(minsu, 'room-desk');
  await picture(jiyeon, 'room-phone');

  await jiyeon.click('text=Leave');
  await jiyeon.locator('.rooms a').waitFor();
  await eventually(async () => assert.equal((await heard(minsu, 'li.notice')).at(-1), 'jiyeon님이 방에서 나갔습니다.'));
  assert.equal(await count(minsu), 1);
  await minsu.click('text=나가기');
  await minsu.locator('.rooms a').waitFor();
  await eventually(async () => assert.equal(await minsu.locator('.rooms .count').innerText(), '0'));
  await picture(minsu, 'rooms-desk');
  await minsu.click('text=로그아웃');
  await minsu.locator('[name=username]').waitFor();
});

withThePage('a page elsewhere comes back by itself, and hears what it missed, once', async (house) => {
  house.deliberate(AWAY);
  const roomId = await house.room('사랑방');
  const minsu = await signedIn(house, 'minsu');
  await minsu.click('.rooms a');
  await eventually(async () => assert.equal(await count(minsu), 1));
  await say(minsu, '하나');
  await eventually(async () => assert.deepEqual(await texts(minsu), ['하나']));
  await house.server.pullThePlug();
  await minsu.getByText('다시 연결하는 중').waitFor();
  await picture(minsu, 'away-desk');
  await house.server.startAgain();
  await house.account('jiyeon');
  await house.tell(roomId, 'jiyeon', ['둘', '셋']);
  await minsu.getByText('다시 연결하는 중').waitFor({ state: 'detached' });
  await say(minsu, '넷');
  await eventually(async () => assert.deepEqual(await texts(minsu), ['하나', '둘', '셋', '넷']));
  const offsets = await minsu.locator('.messages li').evaluateAll((all) => all.map((entry) => Number(entry.dataset.offset)));
  assert.deepEqual(offsets, offsets.map((_, at) => offsets[0] + at));
});

withThePage('a page on another origin of the same site signs in by a form and the cookie, as it did at home', async (house) => {
  await house.account('minsu');
  const { page } = await house.stranger();
  await page.goto(PAGE);
  const server = house.url.replace('127.0.0.1', 'localhost');
  const told = await page.evaluate(
    async ([baseURL, password]) => {
      const old = axios.create({ baseURL, withCredentials: true });
      const wrong = await old.post('/login', new URLSearchParams({ username: 'minsu', password: 'not this one' }));
      const right = await old.post('/login', new URLSearchParams({ username: 'minsu', password }));
      const user = (await old.get('/chat/user')).data;
      const room = (await old.post('/chat/room', new URLSearchParams({ name: '사랑방' }))).data;
      const went = (answer) => answer.request.responseURL.replace(baseURL, '');
      return { wrong: went(wrong), right: went(right), name: user.name, room: room.name };
    },
    [server, PASSWORD],
  );
  assert.deepEqual(told, { wrong: '/login?error', right: '/chat/room', name: 'minsu', room: '사랑방' });
});
