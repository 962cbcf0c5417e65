import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { SetupError } from './failure.ts';

const ROOMS = ['service', 'models', 'infra'];

/**
 * Every compiled test file, sorted, as an explicit list: given a folder or a glob, `node --test` can run zero tests and pass.
 *
 * @param filters parts of paths; a file that holds one of them is taken, all when there is none
 * @throws SetupError when nothing is left to run
 */
export async function findTestFiles(root: string, filters: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const room of ROOMS) {
    const folder = join(root, 'dist', room);
    const names = await readdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    found.push(...names.filter((name) => name.endsWith('.test.js')).map((name) => join(folder, name)));
  }
  const files = found.sort().filter((file) => {
    const path = relative(join(root, 'dist'), file).split(sep).join('/');
    return filters.length === 0 || filters.some((filter) => path.includes(filter.replace(/\.ts$/, '.js')));
  });
  if (files.length === 0) {
    const reason =
      filters.length > 0 ? `no test file matches ${filters.join(', ')}` : 'no test files in dist';
    throw new SetupError(`${reason}: nothing was tested`);
  }
  return files;
}
