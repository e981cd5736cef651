// Puts the page and what it stands on into one folder of plain files, which any web server can give out.
//
//   npm run build                               into dist, for a server at http://localhost:8080
//   SERVER=https://chat.example.com npm run build
//   OUT=FOLDER npm run build
//   npm start                                   the same, and gives it out at http://localhost:8081 (PORT=n: elsewhere)

import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const out = resolve(process.env.OUT ?? join(here, 'dist'));
const server = (process.env.SERVER ?? 'http://localhost:8080').replace(/\/+$/, '');
const LIBRARIES = {
  'vue.js': 'vue/dist/vue.global.prod.js',
  'axios.js': 'axios/dist/axios.min.js',
  'sockjs.js': 'sockjs-client/dist/sockjs.min.js',
  'stomp.js': 'stompjs/lib/stomp.min.js',
};
const KINDS = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };

if (!/^https?:\/\/[^/]+$/.test(server)) throw new Error(`SERVER must be an origin such as https://chat.example.com, and is ${server}`);
await rm(join(out, 'lib'), { recursive: true, force: true });
await cp(join(here, 'page'), out, { recursive: true });
await mkdir(join(out, 'lib'), { recursive: true });
for (const [name, path] of Object.entries(LIBRARIES)) await copyFile(join(here, 'node_modules', path), join(out, 'lib', name));
await writeFile(join(out, 'address.js'), `const SERVER = ${JSON.stringify(server)};\n`);
console.log(`built ${out} for ${server}`);

if (process.argv.includes('--serve')) {
  const port = Number(process.env.PORT ?? 8081);
  const answer = async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const path = normalize(pathname === '/' ? '/index.html' : pathname);
    try {
      const file = await readFile(join(out, path));
      response.writeHead(200, { 'Content-Type': KINDS[extname(path)] ?? 'application/octet-stream', 'Cache-Control': 'no-cache' });
      response.end(file);
    } catch {
      response.writeHead(404).end();
    }
  };
  createServer(answer).listen(port, 'localhost', () => console.log(`open http://localhost:${port}`));
}
