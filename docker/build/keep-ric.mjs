// Image build: copies the runtime interface client without its build files.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const [from = '', out = ''] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
for (const name of readdirSync(from)) {
  if (/^(index\.mjs|package\.json|LICENSE|NOTICE|THIRD-PARTY-LICENSES|rapid-client\.node)/.test(name)) {
    cpSync(join(from, name), join(out, name));
  }
}
