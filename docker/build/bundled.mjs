// Image build: prints the packages whose code is in dist/bundle, so that node_modules does not need them.
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
