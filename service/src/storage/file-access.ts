import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { encodeSegment, escapeSegment, TEMP_FOLDER } from './file-names.ts';

/** The two places an object can be at: its plain path, and the one it has when a folder has taken that name. */
export function candidatePaths(root: string, key: string): readonly [string, string] {
  const segments = key.split('/');
  const last = segments.pop() ?? '';
  const folder = join(root, ...segments.flatMap(encodeSegment));
  return [join(folder, ...encodeSegment(last)), join(folder, ...escapeSegment(last))];
}

/** Throws unless `folder`, links resolved, lies in `root` (whose links are resolved already). */
export async function assertInside(root: string, folder: string): Promise<void> {
  const real = await realpath(folder);
  if (real !== root && !real.startsWith(root + sep)) {
    throw new AppError(
      'OBJECT_NOT_FOUND',
      'the path leaves the store by a symbolic link, which is not followed',
    );
  }
}

/** The error codes of "there is nothing at this path", in all the ways a path can lead nowhere. */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  );
}

/** Opens the object's file for reading, wherever it is. @throws AppError OBJECT_NOT_FOUND */
export async function openObject(root: string, key: string): Promise<FileHandle> {
  const paths = candidatePaths(root, key);
  // The plain path twice: between the first two looks, a writer may have moved the file aside for a folder.
  for (const path of [paths[0], paths[1], paths[0]]) {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if ((await handle.stat()).isFile()) {
        await assertInside(root, dirname(path));
        return handle;
      }
      await handle.close();
    } catch (error) {
      await handle?.close().catch(() => {});
      if (!isAbsent(error)) throw error;
    }
  }
  throw new AppError('OBJECT_NOT_FOUND', `there is no object ${JSON.stringify(key)} in the store`);
}

/** Makes the folder of an object, moving aside a file that has its name. */
export async function makeFolder(root: string, folder: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      // Looked at before anything is made, so that a link cannot have folders made elsewhere.
      if (await assertNearestInside(root, folder)) return;
      await mkdir(folder, { recursive: true });
      await assertInside(root, folder);
      return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if ((code !== 'EEXIST' && code !== 'ENOTDIR') || tries > 3 || !(await moveFileAside(root, folder)))
        throw error;
    }
  }
}

/** Checks the nearest folder that is there; true if it is `folder` itself. */
async function assertNearestInside(root: string, folder: string): Promise<boolean> {
  for (let path = folder; path.length >= root.length; path = dirname(path)) {
    try {
      await assertInside(root, path);
      // A file of that name is for the caller to find: making the folder fails on it.
      return path === folder && (await stat(path)).isDirectory();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return false;
}

/** Removes the folders that a deletion left empty, from `folder` upwards; those directly in the root stay. */
export async function pruneFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path.startsWith(root + sep) && dirname(path) !== root; path = dirname(path)) {
    try {
      await rmdir(path);
    } catch {
      // Not empty, gone already, or not ours to remove.
      return;
    }
  }
}

/** `a` -> `.key~=YQ` where `a` is a file on the way to `folder`. True if there was one. */
async function moveFileAside(root: string, folder: string): Promise<boolean> {
  for (let path = folder; path.length > root.length; path = dirname(path)) {
    const found = await lstat(path).catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    if (found?.isFile()) {
      const names = escapeSegment(path.slice(dirname(path).length + 1));
      const aside = join(dirname(path), ...names);
      await mkdir(dirname(aside), { recursive: true });
      await rename(path, aside);
      return true;
    }
    if (found) return false;
  }
  return false;
}

/** A new file in the store's own temporary folder. */
export async function openTemp(root: string): Promise<{ handle: FileHandle; path: string }> {
  const folder = join(root, TEMP_FOLDER);
  const path = join(folder, `${Date.now()}-${process.pid}-${randomBytes(8).toString('hex')}`);
  try {
    return { handle: await open(path, 'wx'), path };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true });
    return { handle: await open(path, 'wx'), path };
  }
}

/**
 * Gives a finished temporary file its place. Atomic: a reader sees the old file or the new one.
 *
 * @throws AppError CONFLICT when `ifAbsent` and something is there
 */
export async function place(root: string, key: string, temp: string, ifAbsent: boolean): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await placeOnce(root, key, temp, ifAbsent);
    } catch (error) {
      // A deletion removed the folder, empty until now, after it was made.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries >= 10) throw error;
    }
  }
}

async function placeOnce(root: string, key: string, temp: string, ifAbsent: boolean): Promise<void> {
  const [plain, escaped] = candidatePaths(root, key);
  await makeFolder(root, dirname(plain));
  const taken = await isFolder(plain);
  const target = taken ? escaped : plain;
  if (taken) await mkdir(dirname(escaped), { recursive: true });
  if (!ifAbsent) return rename(temp, target);
  try {
    if (!taken && escaped !== plain && (await exists(escaped)))
      throw Object.assign(new Error(), { code: 'EEXIST' });
    // A hard link fails if the name is taken, which a rename does not.
    await link(temp, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new AppError('CONFLICT', `there is an object ${JSON.stringify(key)} already`);
  }
  return rm(temp, { force: true });
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    (error: unknown) => {
      if (isAbsent(error)) return false;
      throw error;
    },
  );
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: unknown) => {
      if (isAbsent(error)) return false;
      throw error;
    },
  );
}
