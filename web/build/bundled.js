// Writes which packages have got into the page: their licences go with the binary that it is embedded in.
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const web = join(import.meta.dirname, '..');

export function bundled() {
  return {
    name: 'bundled',
    apply: 'build',
    writeBundle(_, bundle) {
      const folders = new Set();
      for (const chunk of Object.values(bundle)) {
        for (const [id, module] of Object.entries(chunk.modules ?? {})) {
          const folder = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
          if (folder && module.renderedLength > 0) folders.add(relative(web, folder));
        }
      }
      if (folders.size === 0) this.error('no package was found in the page, not even the one that makes its parts');
      writeFileSync(join(web, 'bundled.json'), `${JSON.stringify([...folders].sort(), null, 2)}\n`);
    },
  };
}
