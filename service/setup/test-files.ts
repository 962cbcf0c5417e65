import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { SetupError } from './failure.ts';

const ROOMS = ['service', 'models', 'infra'];

export interface TestFiles {
  readonly files: readonly string[];
  /** How many `*.slow.test.ts` files match but are left to `npm run test:all`. */
  readonly slow: number;
}

/**
 * Every compiled test file, sorted. An explicit list, because `node --test` passes if a glob matches nothing.
 * `*.docker.test.ts` is left to `npm run test:image`, which needs a Docker engine.
 *
 * @param filters parts of paths; a file whose path contains one of them is taken, every file if there is none
 * @param all takes `*.slow.test.ts` too
 * @throws SetupError when nothing is left to run
 */
export async function findTestFiles(
  root: string,
  filters: readonly string[],
  all: boolean,
): Promise<TestFiles> {
  const found: string[] = [];
  for (const room of ROOMS) {
    const folder = join(root, 'dist', room);
    const names = await readdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const tests = names.filter((name) => name.endsWith('.test.js') && !name.endsWith('.docker.test.js'));
    found.push(...tests.map((name) => join(folder, name)));
  }
  const matching = found.sort().filter((file) => {
    const path = relative(join(root, 'dist'), file).split(sep).join('/');
    return filters.length === 0 || filters.some((filter) => path.includes(filter.replace(/\.ts$/, '.js')));
  });
  const files = all ? matching : matching.filter((file) => !file.endsWith('.slow.test.js'));
  const slow = matching.length - files.length;
  if (files.length === 0) {
    if (slow > 0)
      throw new SetupError(`only slow test files match: run npm run test:all -- ${filters.join(' ')}`);
    const reason =
      filters.length > 0 ? `no test file matches ${filters.join(', ')}` : 'no test files in dist';
    throw new SetupError(`${reason}: nothing was tested`);
  }
  return { files, slow };
}
