// The server goes away and comes back during a session of SockJS; nothing is lost, nothing is there twice.

import assert from 'node:assert/strict';

import { test } from './support/house.mjs';
import { FROM_ELSEWHERE, LATE, VERSIONS, elsewhere, stays } from './support/old_page.mjs';
import { staysThrough } from './support/outages.mjs';

const { friend: FRIEND } = await elsewhere();
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
