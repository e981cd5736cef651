// Pictures of the page, for the README and for whoever changes how it looks: every view, on a desk and on a phone,
// by day and by night, in Korean and in English. Written to the folder that SCREENSHOTS names.
//
// The conversation is staged: its times are those of the script, not those of the server, so that the pictures show
// the same days and hours whenever they are taken.

import { join } from 'node:path';

import { DESK, PHONE, test } from './support/house.mjs';
import { eventually } from './support/waiting.mjs';

const { SCREENSHOTS } = process.env;
if (!SCREENSHOTS) throw new Error('name the folder for the pictures with SCREENSHOTS');

const NOW = new Date(2026, 3, 10, 11, 52).getTime();
const at = (clock, daysAgo = 0) => {
  const [hours, minutes] = clock.split(':').map(Number);
  return new Date(2026, 3, 10 - daysAgo, hours, minutes).getTime();
};

const PLAYS = {
  ko: {
    locale: 'ko-KR',
    me: '민수',
    others: ['지연', '하늘', '도윤'],
    room: '점심 뭐 먹지',
    rooms: {
      '점심 뭐 먹지': at('11:51'),
      '봄 소풍 준비': at('11:20'),
      '책 읽는 모임': at('9:05'),
      '동네 고양이 이야기': at('21:40', 1),
      '우리집 텃밭': at('18:12', 3),
    },
    unread: ['봄 소풍 준비', '하늘', '돗자리는 제가 가져올게요'],
    lines: [
      ['지연', at('17:58', 1), '오늘 칼국수 진짜 맛있었어요'],
      ['도윤', at('18:03', 1), '다음에는 저도 꼭 데려가 주세요'],
      ['지연', at('11:41'), '다들 점심 뭐 드실래요?'],
      ['하늘', at('11:42'), '비 오니까 따뜻한 국물 어때요'],
      ['하늘', at('11:42'), '골목 안에 새로 생긴 칼국수집 있던데요. 어제 지나가다 봤는데 만두도 같이 하고, 자리도 넓어 보였어요.'],
      ['민수', at('11:44'), '좋아요! 몇 시에 나갈까요?'],
      ['도윤', at('11:46'), '12시면 줄이 기니까 조금 일찍 가요 ㅎㅎ'],
      ['지연', at('11:47'), '그럼 11시 55분에 1층에서 만나요'],
      ['지연', at('11:47'), '우산 챙기시고요'],
      ['민수', at('11:51'), '네, 지금 내려갈게요.\n만두는 제가 살게요!'],
    ],
  },
  en: {
    locale: 'en-GB',
    me: 'Minsu',
    others: ['Jiyeon', 'Haneul', 'Doyun'],
    room: 'What is for lunch?',
    rooms: {
      'What is for lunch?': at('11:51'),
      'Picnic in spring': at('11:20'),
      'Reading circle': at('9:05'),
      'Cats of the street': at('21:40', 1),
      'Our kitchen garden': at('18:12', 3),
    },
    unread: ['Picnic in spring', 'Haneul', 'I will bring the blanket'],
    lines: [
      ['Jiyeon', at('17:58', 1), 'Those noodles were really good today'],
      ['Doyun', at('18:03', 1), 'Take me with you next time, please'],
      ['Jiyeon', at('11:41'), 'What would everybody like for lunch?'],
      ['Haneul', at('11:42'), 'It rains, so something warm?'],
      ['Haneul', at('11:42'), 'There is a new noodle place down the alley. I passed it yesterday: they make dumplings too, and there seemed to be room for all of us.'],
      ['Minsu', at('11:44'), 'Good! When do we leave?'],
      ['Doyun', at('11:46'), 'At twelve there is a queue, so a little earlier'],
      ['Jiyeon', at('11:47'), '11:55 downstairs, then'],
      ['Jiyeon', at('11:47'), 'And take an umbrella'],
      ['Minsu', at('11:51'), 'On my way down.\nThe dumplings are on me!'],
    ],
  },
};

for (const [language, play] of Object.entries(PLAYS)) {
  test(`pictures of the page (${language})`, { LOCALE: language }, async (house) => {
    const ids = await setTheStage(house, play);
    for (const [screen, options] of [['desk', DESK], ['phone', PHONE]]) {
      for (const colorScheme of ['light', 'dark']) {
        const scene = { play, ids, language, colorScheme, screen };
        await takeAll(house, scene, { ...options, colorScheme, locale: play.locale });
      }
    }
  });
}

async function setTheStage(house, play) {
  await house.account(play.me, 'admin');
  for (const name of play.others) await house.account(name);
  const ids = {};
  for (const name of Object.keys(play.rooms)) ids[name] = await house.room(name);
  // Whoever is there stays there, in a window that is not in the picture.
  const enter = async (name) => {
    const someone = await house.guestAt(`/chat/room/enter/${ids[play.room]}`, name);
    await someone.isIn(play.room);
  };
  for (const name of play.others) await enter(name);
  for (const [sender, time, text] of play.lines) {
    if (time === at('11:44')) await enter(play.me);
    await house.tell(ids[play.room], sender, [text]);
  }
  return ids;
}

async function takeAll(house, { play, ids, language, colorScheme, screen }, options) {
  const take = async (person, view) => {
    await person.page.evaluate(() => document.fonts.ready);
    const path = join(SCREENSHOTS, `${view}-${screen}-${colorScheme}-${language}.png`);
    // Hiding the caret would need a style of the page's own, which the policy forbids.
    await person.page.screenshot({ path, caret: 'initial', animations: 'allow' });
  };
  house.deliberate(/./);

  const stranger = await house.stranger(options);
  await stranger.page.goto('/login');
  await stranger.at('login-form').waitFor();
  await take(stranger, 'login');
  await stranger.signIn(play.me, 'a guess');
  await stranger.at('login-error').waitFor();
  await take(stranger, 'login-wrong');
  await stranger.page.goto('/signup?invite=key');
  await stranger.makeAccount(play.me, 'short');
  await stranger.at('field-error').waitFor();
  await take(stranger, 'signup');
  await stranger.page.close();

  const me = await house.guestAt('/login', play.me, options);
  await stageTimes(me.page, play);
  await me.page.goto('/chat/room');
  await me.listed(play.room).waitFor();
  await house.tell(ids[play.unread[0]], play.unread[1], [play.unread[2]]);
  await me.at('unread-mark').waitFor();
  await take(me, 'rooms');
  await me.enter(play.room);
  await me.counts(4);
  await eventually(async () => {
    if (screen === 'desk' && !(await me.at('member-count').innerText()).includes(play.me)) throw new Error('no names yet');
  });
  await take(me, 'room');
  await me.at('message-log').evaluate((log) => log.scrollTo(0, 0));
  await take(me, 'room-above');
  await me.at('member-count').click();
  await take(me, 'people');
  await me.page.keyboard.press('Escape');
  await me.at('manage-room').click();
  await me.at('delete-room').click();
  await take(me, 'manage');
  await me.page.keyboard.press('Escape');
  await me.at('composer').fill('가나다라 '.repeat(410));
  await take(me, 'too-long');
  await me.at('composer').fill('');
  const elsewhere = Object.keys(play.rooms).at(-1);
  await me.page.goto(`/chat/room/enter/${ids[elsewhere]}`);
  await me.isIn(elsewhere);
  await me.context.setOffline(true);
  await me.at('connection-banner').waitFor();
  await me.say(play.lines[5][2]);
  await me.at('outgoing').waitFor();
  await appears(me);
  await take(me, 'lost');
  await me.context.setOffline(false);
  await me.at('connection-banner').waitFor({ state: 'detached' });
  await house.server.storeIsAway(true);
  await me.say(play.lines[9][2]);
  await me.at('store-banner').waitFor();
  await appears(me);
  await take(me, 'away');
  await house.server.storeIsAway(false);
  await me.at('store-banner').waitFor({ state: 'detached' });
  await me.page.goto('/chat/room');
  await me.at('new-room').click();
  await take(me, 'new-room');
  await me.page.keyboard.press('Escape');
  await me.at('invite').click();
  await me.page.locator('[data-testid=invite-dialog] form button').click();
  await me.at('invite-link').waitFor();
  await take(me, 'invite');
  await me.page.goto('/chat/room/enter/00000000-0000-4000-8000-000000000000');
  await me.at('room-missing').waitFor();
  await take(me, 'no-room');
  await me.context.close();
}

/** Waits until what comes into view slowly, as the state of a message on its way does, is there. */
async function appears(person) {
  await person.page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
}

/** Lets the page see the script's times in everything that the server tells it. */
async function stageTimes(page, play) {
  await page.clock.setFixedTime(NOW);
  const byText = new Map(play.lines.map(([, time, text]) => [text, time]));
  const staged = (value) => {
    if (Array.isArray(value)) return value.map(staged);
    if (value === null || typeof value !== 'object') return value;
    const copy = { ...value };
    if ('rooms' in copy) copy.rooms = copy.rooms.map(staged);
    if ('sentAt' in copy) {
      const entering = copy.offset <= play.others.length ? at('17:50', 1) : at('11:43');
      copy.sentAt = byText.get(copy.message) ?? entering;
    }
    if ('lastAt' in copy) {
      copy.lastAt = play.rooms[copy.name];
      copy.createdAt = at('9:00', 9);
    }
    return copy;
  };
  await page.route(/\/chat\/rooms$|\/messages\?/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: staged(await response.json()) });
  });
  await page.routeWebSocket(/ws-stomp/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((frame) => {
      const [head, body] = String(frame).split(/\n\n(.*)/s);
      if (!head.startsWith('MESSAGE')) return socket.send(frame);
      const text = JSON.stringify(staged(JSON.parse(body.replace(/\0\n*$/, ''))));
      socket.send(`${head.replace(/\ncontent-length:\d+/, '')}\n\n${text}\0`);
    });
  });
}
