import { randomBytes } from 'node:crypto';
import { lstat, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TEMP_FOLDER, unusableKey } from './paths.ts';

/** Directories to remember; about 1 MB. */
const MAX_KNOWN = 10_000;

/** Compares names with the entries of a directory, for file systems that ignore case (macOS, Windows). */
export interface Spelling {
  /** Checks `folder` and its parents up to the root. @throws as `assertEntry` */
  assertFolder(folder: string, key: string): Promise<void>;
  /** @throws AppError INVALID_REQUEST if the entry at `path` is spelled differently; ENOENT if there is none */
  assertEntry(path: string, key: string): Promise<void>;
  /** Call it after a directory was removed: the next one may have another spelling. */
  forget(): void;
}

/**
 * @param root the store's folder; holds TEMP_FOLDER
 * @returns undefined if names that differ in case, or in the encoding of an accent, are different files here
 */
export async function createSpelling(root: string): Promise<Spelling | undefined> {
  if (!(await ignoresSpelling(root))) return undefined;
  const known = new Set([root]);

  async function assertEntry(path: string, key: string): Promise<void> {
    const name = basename(path);
    if ((await readdir(dirname(path))).includes(name)) return;
    await lstat(path);
    throw unusableKey(
      key,
      `${JSON.stringify(name)} differs from an existing name only in case or in the encoding of an accent`,
    );
  }

  async function assertFolder(folder: string, key: string): Promise<void> {
    if (known.has(folder)) return;
    await assertFolder(dirname(folder), key);
    await assertEntry(folder, key);
    if (known.size < MAX_KNOWN) known.add(folder);
  }

  return {
    assertFolder,
    assertEntry,
    forget() {
      known.clear();
      known.add(root);
    },
  };
}

async function ignoresSpelling(root: string): Promise<boolean> {
  const name = `probe-${randomBytes(8).toString('hex')}`;
  const at = (spelled: string) => join(root, TEMP_FOLDER, spelled);
  try {
    await writeFile(at(`${name}\u00e9`), '');
    return (await exists(at(`${name}\u00e9`.toUpperCase()))) || (await exists(at(`${name}e\u0301`)));
  } catch {
    // A read-only store needs no check of what is written.
    return false;
  } finally {
    await rm(at(`${name}\u00e9`), { force: true }).catch(() => undefined);
  }
}

const exists = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  );
