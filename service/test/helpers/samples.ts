import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromRoot } from './root.ts';

/** Real photographs that lie beside the checkout, not in it. */
const FOLDER = fromRoot('..', 'shared', 'samples');

/** What ResNet-50 says of each of them. */
export const SAMPLES = {
  'cat.jpg': 'Egyptian_cat',
  'coffee.png': 'espresso',
  'palace.jpg': 'palace',
} as const;

/** Why tests that need the photographs cannot run, or false. */
export const samplesMissing = existsSync(join(FOLDER, 'cat.jpg'))
  ? false
  : 'needs the sample photographs in ../shared/samples';

export const sample = (name: keyof typeof SAMPLES): Promise<Buffer> => readFile(join(FOLDER, name));
export const samplePath = (name: keyof typeof SAMPLES): string => join(FOLDER, name);
