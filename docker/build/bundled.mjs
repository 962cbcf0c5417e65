// Image build: prints the packages of package.json whose code is in dist/bundle already, and which node_modules need not hold.
import { readFileSync } from 'node:fs';
import { matchesGlob } from 'node:path';
import { EXTERNAL } from '../../service/setup/bootstrap/bundle.mjs';

const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const isExternal = (name) => EXTERNAL.some((pattern) => matchesGlob(name, pattern));
process.stdout.write(
  `${Object.keys(dependencies)
    .filter((name) => !isExternal(name))
    .join('\n')}\n`,
);
