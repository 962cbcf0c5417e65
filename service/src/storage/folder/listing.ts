import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compareKeys } from '../../domain/keys.ts';
import { isAbsent } from './errors.ts';
import { TEMP_FOLDER } from './paths.ts';

interface FoundFile {
  readonly key: string;
  readonly path: string;
}

/**
 * Walks a folder in the order of the keys' UTF-8 bytes. Memory: the names of one directory per level.
 * Symbolic links are not followed, because they can leave the folder. A directory that vanishes during the walk is empty.
 *
 * @param root absolute path of the store's folder
 * @param prefix only keys that start with it
 * @param startAfter only keys after it
 */
export function listObjects(root: string, prefix: string, startAfter: string): AsyncGenerator<FoundFile> {
  return walk(root, '', prefix, startAfter);
}

/** @param base key of `folder`: empty or with a slash at its end */
async function* walk(
  folder: string,
  base: string,
  prefix: string,
  startAfter: string,
): AsyncGenerator<FoundFile> {
  const isWanted = (key: string, isFolder: boolean) =>
    isFolder
      ? (key.startsWith(prefix) || prefix.startsWith(key)) &&
        (compareKeys(key, startAfter) > 0 || startAfter.startsWith(key))
      : key.startsWith(prefix) && compareKeys(key, startAfter) > 0;
  // A folder sorts as `name/`: its keys then come in the order of S3.
  const entries = (await readEntries(folder))
    .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
    .map(({ name, isFolder }) => ({ name, isFolder, key: base + name + (isFolder ? '/' : '') }))
    .filter(({ key, isFolder }) => key !== `${TEMP_FOLDER}/` && isWanted(key, isFolder))
    .sort((a, b) => compareKeys(a.key, b.key));
  for (const { name, isFolder, key } of entries) {
    const path = join(folder, name);
    if (isFolder) yield* walk(path, key, prefix, startAfter);
    else yield { key, path };
  }
}

/** Files and directories whose names are UTF-8. */
async function readEntries(folder: string): Promise<Dirent[]> {
  try {
    const entries = (await readdir(folder, { withFileTypes: true })).filter(
      (entry) => entry.isFile() || entry.isDirectory(),
    );
    // Node decodes invalid UTF-8 as U+FFFD, which a valid name may hold, too.
    if (!entries.some(({ name }) => name.includes('\uFFFD'))) return entries;
    const names = new Set(
      (await readdir(folder, { encoding: 'buffer' })).map((name) => name.toString('latin1')),
    );
    return entries.filter(({ name }) => {
      const isUtf8 = names.has(Buffer.from(name).toString('latin1'));
      if (!isUtf8) warnOnce(join(folder, name));
      return isUtf8;
    });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

const warned = new Set<string>();

function warnOnce(path: string): void {
  if (warned.has(path) || warned.size >= 1000) return;
  warned.add(path);
  process.emitWarning(`${path} is ignored because its name is not UTF-8; rename it`);
}
