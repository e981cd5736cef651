// sockjs-client in a browser, through an nginx that hands on no Upgrade and gathers answers.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

import { Nginx } from '../support/nginx.mjs';
import { test } from './support/house.mjs';
import { AT_HOME, FROM_ELSEWHERE, LATE, VERSIONS, elsewhere, files, signsIn, stays, talks } from './support/old_page.mjs';
import { staysThrough } from './support/outages.mjs';

const folder = await mkdtemp(join(tmpdir(), 'sarangbang-pages-'));
after(() => rm(folder, { recursive: true, force: true }));
for (const [name, file] of Object.entries(files)) await writeFile(join(folder, name), file);

const { friend: FRIEND } = await elsewhere();

const KEYS = {
  ALLOWED_ORIGINS: FRIEND,
  TRUSTED_PROXIES: '127.0.0.1',
  LIMITS__MESSAGES_PER_SECOND: 1_000,
  LIMITS__MESSAGES_BURST: 1_000,
};
/** What becomes of a WebSocket there. */
const NO_WEBSOCKET = /WebSocket connection to .* failed/;

/** A test with an nginx in front of its server. */
const behindNginx = (sentence, body) =>
  test(sentence, KEYS, async (house) => {
    house.deliberate(LATE, NO_WEBSOCKET);
    const nginx = house.alongside(await Nginx.start([new URL(house.url).host], { files: folder }));
    await body(house, nginx);
  });

for (const version of VERSIONS) {
  behindNginx(`a page behind nginx signs in and talks with sockjs-client ${version} by every other transport`, async (house, nginx) => {
    await house.account('minsu');
    const { page } = await house.stranger();
    await page.goto(`${nginx.url}/old/old-page-${version}.html`);
    const token = await signsIn(page, 'minsu');
    for (const transport of AT_HOME.filter((transport) => transport !== 'websocket')) {
      await talks(page, { url: nginx.url, transport, token, roomId: await house.room(transport) });
    }
    const used = await talks(page, { url: nginx.url, token, roomId: await house.room('choice') });
    assert.equal(used, 'xhr-streaming', 'what it comes to by itself');
    const tried = (await nginx.handedOn()).filter(({ path }) => path.endsWith('/websocket'));
    assert.deepEqual(tried.map(({ status }) => status), [400], 'it had tried a WebSocket');
  });

  behindNginx(`a page of another site talks through nginx with sockjs-client ${version} by every other transport`, async (house, nginx) => {
    await house.account('minsu');
    const { page } = await house.stranger();
    await page.goto(`${FRIEND}/old-page-${version}.html`);
    const token = await house.server.command(['token', 'issue', 'minsu']);
    for (const transport of FROM_ELSEWHERE.filter((transport) => transport !== 'websocket')) {
      await talks(page, { url: nginx.url, transport, token, roomId: await house.room(transport) });
    }
  });

  behindNginx(`a server behind nginx is killed, and pages with sockjs-client ${version} go on where they were`, async (house, nginx) => {
    const people = [];
    for (const name of ['minsu', 'jiyeon']) {
      await house.account(name);
      const { page } = await house.stranger();
      await page.goto(`${nginx.url}/old/old-page-${version}.html`);
      people.push({ page, token: await signsIn(page, name) });
    }
    const used = await staysThrough(house, people, stays, { address: `${nginx.url}/ws-stomp` });
    assert.deepEqual(new Set(used), new Set(['xhr-streaming']));
  });
}
