// Whatever people write stays text and inside its place; and the page speaks the person's language.

import assert from 'node:assert/strict';

import { DESK, PHONE, test } from './support/house.mjs';
import { eventually } from './support/waiting.mjs';

const HTML = `<img src=x onerror="document.title='stolen'"><script>alert(1)</script><b>bold</b> &amp; {{x}} \${x}`;
const STRANGE = [
  HTML,
  '가'.repeat(300),
  'https://example.com/' + 'a-very-long-path/'.repeat(30),
  'W'.repeat(400),
  '👨‍👩‍👧‍👦🏳️‍🌈👍🏽'.repeat(20),
  'مرحبا بالعالم، هذه رسالة من اليمين إلى اليسار.',
  '\u202Eabc def\u202C and after',
  'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘',
  'one\n\n\nfour   spaces\ttab',
  '글'.repeat(2000),
];
const NAME = '<b>방</b> & "' + '아주긴이름'.repeat(9);

const SMALL = { ...PHONE, viewport: { width: 320, height: 568 } };
for (const [screen, options] of [['desk', DESK], ['phone', PHONE], ['very small phone', SMALL]]) {
  test(`long words, emoji, Arabic and HTML stay text and inside the screen of a ${screen}`, async (house) => {
    const roomId = await house.room(NAME);
    await house.account('지연');
    await house.tell(roomId, '지연', STRANGE);
    const minsu = await house.person('W'.repeat(32), options);
    await minsu.fitsTheScreen();
    assert.equal(await minsu.at('room-name').textContent(), NAME);
    await minsu.enter(NAME);
    await minsu.hears(...STRANGE);
    for (const text of STRANGE) await minsu.say(text);
    await minsu.hears(...STRANGE, ...STRANGE);
    await minsu.fitsTheScreen();
    assert.equal(await minsu.page.locator('.words img, .words script, .words b, h1 b, h2 b').count(), 0);
    assert.notEqual(await minsu.page.title(), 'stolen');
    const link = minsu.page.locator('.words a').first();
    assert.equal(await link.getAttribute('href'), STRANGE[2]);
    assert.match(await link.getAttribute('rel'), /noopener/);

    await minsu.at('member-count').click();
    await minsu.at('members').waitFor();
    await minsu.fitsTheScreen();
  });
}

test('a message of 2,000 characters is sent, one of 2,001 is not and says why', async (house) => {
  await house.room('거실');
  const minsu = await house.person('민수');
  await minsu.enter('거실');
  await minsu.at('composer').fill('글'.repeat(1_900));
  assert.match(await minsu.at('chars-left').innerText(), /100자 남음/);
  await minsu.say('글'.repeat(2_001));
  assert.match(await minsu.at('chars-left').innerText(), /1자 초과/);
  assert.equal((await minsu.at('composer').inputValue()).length, 2_001);
  // An emoji is one character, however it is stored.
  await minsu.say('👍'.repeat(2_000));
  await minsu.hears('👍'.repeat(2_000));
});

test('the page speaks Korean or English, by the language of the browser', async (house) => {
  await house.room('거실');
  await house.account('minsu');
  for (const [locale, lang, title, people] of [
    ['ko-KR', 'ko', '대화방', '1명이 있어요'],
    ['en-GB', 'en', 'Rooms', '1 person is here'],
    ['de-DE', 'en', 'Rooms', '1 person is here'],
  ]) {
    const person = await house.guestAt('/chat/room', 'minsu', { locale });
    await person.page.getByRole('heading', { name: title }).first().waitFor();
    assert.equal(await person.page.locator('html').getAttribute('lang'), lang);
    await person.enter('거실');
    await eventually(async () => assert.match(await person.at('member-count').innerText(), new RegExp(people)));
    await person.page.close();
  }
});

test('the page is light by day and dark by night', async (house) => {
  const brightness = async (colorScheme) => {
    const person = await house.stranger({ colorScheme });
    await person.page.goto('/login');
    await person.at('login-form').waitFor();
    const colour = await person.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red, green, blue] = colour.match(/\d+/g).map(Number);
    return (red + green + blue) / 3;
  };
  assert.ok((await brightness('light')) > 200);
  assert.ok((await brightness('dark')) < 60);
});

test('the page can be kept on the home screen', async (house) => {
  const person = await house.stranger();
  await person.page.goto('/login');
  const devtools = await person.context.newCDPSession(person.page);
  const { url, errors, data } = await devtools.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  assert.ok(url.startsWith(`${house.url}/assets/`), url);
  const { icons, start_url: start } = JSON.parse(data);
  assert.equal(new URL(start, url).pathname, '/chat/room');
  for (const icon of icons) {
    const answer = await person.context.request.get(new URL(icon.src, url).href);
    assert.equal(answer.status(), 200);
    assert.equal(answer.headers()['content-type'], icon.type);
  }
});
