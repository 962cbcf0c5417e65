import { randomBytes } from 'node:crypto';
import { type FileHandle, link, lstat, mkdir, open, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { AppError } from '../../domain/errors.ts';
import { assertInside, pathOf, TEMP_FOLDER, unusableKey } from './paths.ts';
import type { Spelling } from './spelling.ts';

/** The folder of a store. */
export interface StoreRoot {
  /** Absolute, links resolved. */
  readonly path: string;
  /** Present if the file system ignores case. */
  readonly spelling: Spelling | undefined;
}

/** A deletion can remove an empty directory between its creation and the write into it, again and again. */
const PLACE_ATTEMPTS = 10;

/** Creates a file in TEMP_FOLDER. */
export async function openTemp(root: StoreRoot): Promise<{ handle: FileHandle; path: string }> {
  const folder = join(root.path, TEMP_FOLDER);
  const path = join(folder, `${Date.now()}-${process.pid}-${randomBytes(8).toString('hex')}`);
  await mkdir(folder, { recursive: true });
  return { handle: await open(path, 'wx'), path };
}

/**
 * Moves a complete temporary file to the path of its key. Atomic: a reader sees the old file or the new one.
 *
 * @throws AppError CONFLICT if `ifAbsent` and the object exists; INVALID_REQUEST if another name takes the path
 */
export async function placeObject(
  root: StoreRoot,
  key: string,
  temp: string,
  ifAbsent: boolean,
): Promise<void> {
  const target = pathOf(root.path, key);
  for (let attempt = 1; ; attempt++) {
    try {
      return await placeOnce(root, key, { temp, target, ifAbsent });
    } catch (error) {
      switch ((error as NodeJS.ErrnoException).code) {
        case 'ENOENT':
          if (attempt >= PLACE_ATTEMPTS) throw error;
          break;
        case 'EEXIST':
        case 'EISDIR':
        case 'ENOTDIR':
          throw unusableKey(key, 'a file and a folder cannot have the same name', error);
        default:
          throw error;
      }
    }
  }
}

interface Placement {
  readonly temp: string;
  readonly target: string;
  readonly ifAbsent: boolean;
}

async function placeOnce(root: StoreRoot, key: string, { temp, target, ifAbsent }: Placement): Promise<void> {
  const { spelling } = root;
  await makeFolder(root.path, dirname(target));
  await spelling?.assertFolder(dirname(target), key);
  if (!ifAbsent && !spelling) return rename(temp, target);
  try {
    // Unlike a rename, a hard link fails if the name is taken, whatever its spelling.
    await link(temp, target);
    return await rm(temp, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await spelling?.assertEntry(target, key);
    if (!ifAbsent) return rename(temp, target);
    if ((await lstat(target)).isDirectory()) throw error;
    throw new AppError('CONFLICT', `the object ${JSON.stringify(key)} already exists`, {}, { cause: error });
  }
}

async function makeFolder(root: string, folder: string): Promise<void> {
  // Checked before mkdir, which would follow a link and create directories outside the store.
  if (await nearestIsFolder(root, folder)) return;
  await mkdir(folder, { recursive: true });
  await assertInside(root, folder);
}

/** Checks the nearest existing parent of `folder`; true if that is `folder` itself. */
async function nearestIsFolder(root: string, folder: string): Promise<boolean> {
  for (let path = folder; path.length >= root.length; path = dirname(path)) {
    try {
      await assertInside(root, path);
      return path === folder && (await stat(path)).isDirectory();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return false;
}

/** Removes the directories that a deletion left empty, from `folder` upwards; those directly in the root stay. */
export async function pruneFolders(root: StoreRoot, folder: string): Promise<void> {
  for (
    let path = folder;
    path.startsWith(root.path + sep) && dirname(path) !== root.path;
    path = dirname(path)
  ) {
    try {
      await rmdir(path);
      root.spelling?.forget();
    } catch {
      // Not empty, already gone, or not writable.
      return;
    }
  }
}
