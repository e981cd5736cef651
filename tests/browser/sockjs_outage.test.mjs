// The server goes away and comes back during a session of SockJS; nothing is lost, nothing is there twice.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after } from 'node:test';

import { test } from './support/house.mjs';
import { FROM_ELSEWHERE, LATE, VERSIONS, files, stays } from './support/old_page.mjs';
import { staysThrough } from './support/outages.mjs';

const elsewhere = createServer((request, response) => {
  const name = request.url.slice(1);
  response.writeHead(files[name] ? 200 : 204, { 'Content-Type': name.endsWith('.js') ? 'text/javascript' : 'text/html' });
  response.end(files[name]);
});
await new Promise((listening) => elsewhere.listen(0, '127.0.0.1', listening));
after(() => elsewhere.close());
const FRIEND = `http://localhost:${elsewhere.address().port}`;
const KEYS = { ALLOWED_ORIGINS: FRIEND, LIMITS__MESSAGES_PER_SECOND: 1_000, LIMITS__MESSAGES_BURST: 1_000 };

for (const version of VERSIONS) {
  for (const transport of FROM_ELSEWHERE) {
    test(`a server is killed, and pages with sockjs-client ${version} by ${transport} go on where they were`, KEYS, async (house) => {
      house.deliberate(LATE);
      const people = [];
      for (const name of ['minsu', 'jiyeon']) {
        await house.account(name);
        const { page } = await house.stranger();
        await page.goto(`${FRIEND}/old-page-${version}.html`);
        people.push({ page, token: await house.server.command(['token', 'issue', name]) });
      }
      const used = await staysThrough(house, people, stays, { address: `${house.url}/ws-stomp`, transport });
      assert.deepEqual(new Set(used), new Set([transport]));
    });
  }
}
