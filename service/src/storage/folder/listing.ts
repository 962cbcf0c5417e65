import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compareKeys } from '../../domain/keys.ts';
import { decodeName } from './names.ts';

interface Entry {
  /** The key so far; a folder's ends with a slash. */
  readonly key: string;
  readonly path: string;
  readonly isFolder: boolean;
}

/**
 * Walks a folder in the order of the keys' bytes, holding the names of one folder a level in memory.
 * Symbolic links are passed over: they could lead out of the folder. A folder that vanishes meanwhile is empty.
 *
 * @param root the store's folder
 * @param prefix only keys that start with it
 * @param startAfter only keys behind it
 * @yields the key and path of each regular file
 */
export async function* walk(
  root: string,
  prefix: string,
  startAfter: string,
): AsyncGenerator<{ readonly key: string; readonly path: string }> {
  yield* walkFolder(root, '', prefix, startAfter);
}

async function* walkFolder(
  folder: string,
  base: string,
  prefix: string,
  startAfter: string,
): AsyncGenerator<{ readonly key: string; readonly path: string }> {
  for (const entry of await sortedEntries(folder, base, prefix, startAfter)) {
    if (entry.isFolder) yield* walkFolder(entry.path, entry.key, prefix, startAfter);
    else yield { key: entry.key, path: entry.path };
  }
}

async function sortedEntries(
  folder: string,
  base: string,
  prefix: string,
  startAfter: string,
): Promise<Entry[]> {
  const entries = (await readSegments(folder, base, Buffer.alloc(0))).filter(({ key, isFolder }) =>
    isFolder
      ? (key.startsWith(prefix) || prefix.startsWith(key)) &&
        (compareKeys(key, startAfter) > 0 || startAfter.startsWith(key))
      : key.startsWith(prefix) && compareKeys(key, startAfter) > 0,
  );
  // A folder sorts as `name/`, which is where its keys come in the order of S3.
  entries.sort((a, b) => compareKeys(a.key, b.key));
  // A plain file and the escaped form of the same segment: the plain one is what the store reads.
  return entries.filter(
    (entry, i) => entry.isFolder || entry.key !== entries[i - 1]?.key || entries[i - 1]?.isFolder,
  );
}

/** The segments of one folder, those written in several pieces put together. */
async function readSegments(folder: string, base: string, before: Buffer): Promise<Entry[]> {
  const found: Entry[] = [];
  for (const entry of await readFolder(folder)) {
    const name = decodeName(entry.name);
    if (name.kind === 'reserved' || (name.kind === 'plain' && before.length > 0)) continue;
    const path = join(folder, entry.name);
    const bytes = Buffer.concat([before, name.bytes]);
    if (name.kind === 'more') {
      if (entry.isDirectory()) found.push(...(await readSegments(path, base, bytes)));
      continue;
    }
    const segment = bytes.toString();
    if (name.kind === 'plain' && segment.includes('\uFFFD') && !(await nameIsUtf8(folder, entry.name)))
      continue;
    if (entry.isDirectory()) found.push({ key: `${base}${segment}/`, path, isFolder: true });
    else if (entry.isFile()) found.push({ key: base + segment, path, isFolder: false });
  }
  // Plain before escaped, so that the stable sort keeps that order.
  return found.sort((a, b) => Number(isEscaped(a.path)) - Number(isEscaped(b.path)));
}

const isEscaped = (path: string) => path.slice(path.lastIndexOf('/') + 1).startsWith('.key~');

async function readFolder(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

const warned = new Set<string>();

/** Node shows bytes that are not UTF-8 as U+FFFD; no key can name such a file, so it is passed over with a warning. */
async function nameIsUtf8(folder: string, name: string): Promise<boolean> {
  const wanted = Buffer.from(name);
  if ((await readdir(folder, { encoding: 'buffer' })).some((raw) => raw.equals(wanted))) return true;
  const path = join(folder, name);
  if (!warned.has(path) && warned.size < 1000) {
    warned.add(path);
    process.emitWarning(`${path} is passed over: its name is not UTF-8; rename it`);
  }
  return false;
}
