// SockJS clients on three nodes with one Redis, behind an nginx that sends each request to the next node: hardly any of a
// session's requests reaches the node that has it.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';

import { Nginx } from '../support/nginx.mjs';
import { Redis } from '../support/redis.mjs';
import { overSockJs } from './over_sockjs.mjs';
import { soon } from './support.mjs';

const { CLIENTS_BINARY, CLIENTS_DATA, CLIENTS_WORK } = process.env;
const NODES = 3;
const WAYS = [
  { name: 'nodes-xhr-streaming', chosen: 'xhr-streaming', expected: 'xhr-streaming' },
  { name: 'nodes-eventsource', chosen: 'eventsource', expected: 'eventsource' },
  { name: 'nodes-xhr-polling', chosen: 'xhr-polling', expected: 'xhr-polling' },
  { name: 'nodes-choice', expected: 'xhr-streaming' },
];

const redis = await Redis.start();
// The command line of the suites goes to this store, too.
process.env.SARANGBANG_REDIS__URL = redis.url;
process.env.SARANGBANG_TRUSTED_PROXIES = '127.0.0.1';

const people = WAYS.flatMap(({ name }) => ['112', '161'].flatMap((version) => [`minsu-sj${version}-${name}`, `jiyeon-sj${version}-${name}`]));
for (const name of people) {
  await new Promise((resolve, reject) => {
    const add = ['user', 'add', name, '--password-stdin', '--data', CLIENTS_DATA];
    const child = execFile(CLIENTS_BINARY, add, { cwd: CLIENTS_WORK }, (error) => (error ? reject(error) : resolve()));
    child.stdin.end('correct horse battery\n');
  });
}

const nodes = [];
async function node() {
  const data = await mkdtemp(join(CLIENTS_WORK, 'node-'));
  const child = spawn(CLIENTS_BINARY, ['serve', '--listen', '127.0.0.1:0', '--data', data], {
    cwd: CLIENTS_WORK,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  nodes.push(child);
  const line = await soon(new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve)), 'a node');
  return new URL(line.replace(/^ready /, '')).host;
}
process.on('exit', () => nodes.forEach((child) => child.kill('SIGKILL')));

const hosts = await Promise.all(Array.from({ length: NODES }, node));
const nginx = await Nginx.start(hosts);
after(async () => {
  await nginx.stop();
  for (const child of nodes) child.kill('SIGKILL');
  await redis.stop();
});

overSockJs(nginx.url, WAYS);

test('every node was asked', async () => {
  const asked = new Set((await nginx.handedOn()).flatMap(({ server }) => server.split(',')).map((server) => server.trim()));
  assert.deepEqual(hosts.filter((host) => !asked.has(host)), []);
});
