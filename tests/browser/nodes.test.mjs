// sockjs-client in a browser, on three nodes with one Redis behind an nginx that sends each request to the next node, and
// hands on no Upgrade.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

import { Nginx } from '../support/nginx.mjs';
import { Redis } from '../support/redis.mjs';
import { test } from './support/house.mjs';
import { AT_HOME, LATE, VERSIONS, files, signsIn, stays, talks } from './support/old_page.mjs';
import { staysThrough } from './support/outages.mjs';
import { Server } from './support/server.mjs';

const redis = await Redis.start();
const folder = await mkdtemp(join(tmpdir(), 'sarangbang-pages-'));
after(() => Promise.all([redis.stop(), rm(folder, { recursive: true, force: true })]));
for (const [name, file] of Object.entries(files)) await writeFile(join(folder, name), file);

const NO_WEBSOCKET = /WebSocket connection to .* failed/;
let number = 0;

/** A test in a house with three nodes, the first of which is the house's own server. */
function onThreeNodes(sentence, body) {
  number += 1;
  const keys = {
    TRUSTED_PROXIES: '127.0.0.1',
    REDIS__URL: redis.url,
    REDIS__PREFIX: `test${number}:`,
    LIMITS__MESSAGES_PER_SECOND: 1_000,
    LIMITS__MESSAGES_BURST: 1_000,
  };
  test(sentence, keys, async (house) => {
    house.deliberate(LATE, NO_WEBSOCKET);
    const others = await Promise.all([1, 2].map(async () => house.alongside(await Server.start(keys))));
    const hosts = [house.server, ...others].map(({ url }) => new URL(url).host);
    const nginx = house.alongside(await Nginx.start(hosts, { files: folder }));
    await body(house, nginx);
    const asked = new Set((await nginx.handedOn()).flatMap(({ server }) => server.split(',')).map((server) => server.trim()));
    assert.deepEqual(hosts.filter((host) => !asked.has(host)), [], 'who was not asked');
  });
}

for (const version of VERSIONS) {
  onThreeNodes(`a page on three nodes talks with sockjs-client ${version} by every transport that gets through`, async (house, nginx) => {
    await house.account('minsu');
    const { page } = await house.stranger();
    await page.goto(`${nginx.url}/old/old-page-${version}.html`);
    const token = await signsIn(page, 'minsu');
    for (const transport of AT_HOME.filter((transport) => transport !== 'websocket')) {
      await talks(page, { url: nginx.url, transport, token, roomId: await house.room(transport) });
    }
    const used = await talks(page, { url: nginx.url, token, roomId: await house.room('choice') });
    assert.equal(used, 'xhr-streaming', 'what it comes to by itself');
  });

  onThreeNodes(`one of three nodes is killed, and pages with sockjs-client ${version} go on where they were`, async (house, nginx) => {
    const people = [];
    for (const name of ['minsu', 'jiyeon']) {
      await house.account(name);
      const { page } = await house.stranger();
      await page.goto(`${nginx.url}/old/old-page-${version}.html`);
      people.push({ page, token: await signsIn(page, name) });
    }
    const used = await staysThrough(house, people, stays, { address: `${nginx.url}/ws-stomp`, breaksAll: false });
    assert.deepEqual(new Set(used), new Set(['xhr-streaming']));
  });
}
