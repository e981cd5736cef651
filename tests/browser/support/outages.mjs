// Two people who talk while their server is killed and started again: what each of them must have heard in the end.

import assert from 'node:assert/strict';

import { eventually } from './waiting.mjs';

/** What a browser says of a server that goes away or is not there: it depends on what it was just about to do with its socket. */
export const AWAY =
  /net::ERR_(CONNECTION_\w+|SOCKET_NOT_CONNECTED|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|INTERNET_DISCONNECTED|FAILED)|CORS policy|WebSocket/;
/** And of one that does not know a session any more, or cannot be reached by the proxy before it. */
const FORGOTTEN = /502|404 .*(xhr_send|jsonp_send)/;
const BEFORE = 20;
const MEANWHILE = 20;
const AFTER = 20;

/**
 * Has both stay in a new room (`stays` runs in their pages, with `given`), lets them talk without a break, and kills the
 * server in the middle of it; `breaksAll` says whether that breaks off everybody. Answers with the transports that they had.
 */
export async function staysThrough(house, people, stays, { breaksAll = true, ...given }) {
  house.deliberate(AWAY, FORGOTTEN);
  const roomId = await house.room('거실');
  for (const { page, token } of people) {
    await page.evaluate(stays, { ...given, token, roomId });
    await page.waitForFunction(() => chat.heard.length > 0);
  }
  let spoken = 0;
  const talk = async (times) => {
    for (let end = spoken + times; spoken < end; spoken += 1) {
      await Promise.all(people.map(({ page }, who) => page.evaluate((text) => chat.say(text), `${who}: ${spoken}`)));
    }
  };
  await talk(BEFORE);
  // With messages on their way: nobody has waited for a receipt.
  await house.server.pullThePlug();
  await talk(MEANWHILE);
  await house.server.startAgain();
  await talk(AFTER);

  const states = () =>
    Promise.all(
      people.map(({ page }) =>
        page.evaluate(() => ({ heard: chat.heard, left: chat.waiting.size, had: chat.connections, refused: chat.refused })),
      ),
    );
  const said = people.map((_, who) => Array.from({ length: spoken }, (_, number) => `${who}: ${number}`));
  await eventually(async () => {
    for (const { heard, left } of await states()) {
      assert.equal(left, 0, 'each message has its receipt');
      const talks = heard.filter(({ type }) => type === 'TALK').map(({ message }) => message);
      assert.equal(talks.length, spoken * people.length);
      for (const [who, texts] of said.entries()) {
        assert.deepEqual(talks.filter((text) => text.startsWith(`${who}:`)), texts, 'once, and in the order in which they were said');
      }
    }
  });
  const ended = await states();
  const [first, second] = ended.map(({ heard }) => heard.map(({ offset, message }) => [offset, message]));
  for (const heard of [first, second]) {
    assert.deepEqual(heard.map(([offset]) => offset), Array.from(heard, (_, at) => heard[0][0] + at), 'offsets rise by one');
  }
  const both = Math.min(first.at(-1)[0], second.at(-1)[0]);
  const common = (heard) => heard.filter(([offset]) => offset >= second[0][0] && offset <= both);
  assert.deepEqual(common(first), common(second), 'both heard the same');
  for (const { had, refused } of ended) {
    assert.ok(had.length >= (breaksAll ? 2 : 1), 'the connection broke, and another one was made');
    assert.deepEqual(refused, []);
  }
  return ended.flatMap(({ had }) => had);
}
