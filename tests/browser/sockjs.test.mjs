// sockjs-client 1.1.2 and 1.6.1 in a browser, by each transport in turn, on a page of another site and on one of the server's
// own, with the tutorial's STOMP client over it.

import assert from 'node:assert/strict';

import { test } from './support/house.mjs';
import { AT_HOME, FROM_ELSEWHERE, LATE, VERSIONS, elsewhere, files, talks } from './support/old_page.mjs';

/** The one is allowed, and the other is not. */
const { friend: FRIEND, stranger: STRANGER } = await elsewhere();
/** One person says all of it. */
const MANY = { LIMITS__MESSAGES_PER_SECOND: 1_000, LIMITS__MESSAGES_BURST: 1_000 };
const KEYS = { ALLOWED_ORIGINS: FRIEND, ...MANY };

/** Talks by that transport in a new room. */
async function talksBy(transport, house, page) {
  const roomId = await house.room(transport);
  const token = await house.server.command(['token', 'issue', 'minsu']);
  await talks(page, { url: house.url, transport, token, roomId });
}

for (const version of VERSIONS) {
  test(`a page of another site talks with sockjs-client ${version} by every transport`, KEYS, async (house) => {
    house.deliberate(LATE);
    await house.account('minsu');
    const { page } = await house.stranger();
    await page.goto(`${FRIEND}/old-page-${version}.html`);
    for (const transport of FROM_ELSEWHERE) await talksBy(transport, house, page);
  });

  test(`a page of the server itself talks with sockjs-client ${version} by every transport`, MANY, async (house) => {
    house.deliberate(LATE);
    await house.account('minsu');
    // A document of the server's, with the scripts of an old page: the policy is our own page's, and would refuse frames.
    const { context, page } = await house.stranger({ bypassCSP: true });
    const scripts = [`sockjs-${version}.js`, 'patience.js', 'stomp.js'];
    for (const name of scripts) {
      const file = { body: files[name], contentType: 'text/javascript' };
      await context.route(`${house.url}/${name}`, (route) => route.fulfill(file));
    }
    await page.goto('/about');
    for (const name of scripts) await page.addScriptTag({ url: `/${name}` });
    for (const transport of AT_HOME) await talksBy(transport, house, page);
  });

  test(`a page that is not allowed gets nowhere with sockjs-client ${version}`, KEYS, async (house) => {
    house.deliberate(/answer: 403/, /CORS policy|ERR_FAILED|Failed to load resource|frame-ancestors|WebSocket|MIME/, /^request: /);
    await house.account('minsu');
    const { page } = await house.stranger();
    await page.goto(`${STRANGER}/old-page-${version}.html`);
    for (const transport of FROM_ELSEWHERE) {
      const address = `${house.url}/ws-stomp`;
      const closed = await page.evaluate(
        ([address, transport]) =>
          new Promise((done) => {
            const socket = new SockJS(address, null, { transports: [transport] });
            socket.onopen = () => done('open');
            socket.onclose = ({ code }) => done(code);
          }),
        [address, transport],
      );
      assert.equal(closed, 1002, 'it is not even told what there is');
    }
    // Without asking first: a script and a frame of the server's.
    const loaded = await page.evaluate(async (address) => {
      const script = document.createElement('script');
      script.src = `${address}/0/abcdefgh/jsonp?c=heard`;
      window.heard = () => {
        window.hasHeard = true;
      };
      await new Promise((done) => {
        script.onload = script.onerror = done;
        document.head.append(script);
      });
      return window.hasHeard === true;
    }, `${house.url}/ws-stomp`);
    assert.equal(loaded, false);
  });
}
