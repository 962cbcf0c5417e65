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
import { AppError } from '../../domain/errors.ts';
import type { ExactNames } from './folded-names.ts';
import { encodeSegment, escapeSegment, hexSegment, TEMP_FOLDER } from './names.ts';

/** The folder of a store. */
export interface StoreRoot {
  /** Absolute, links resolved. */
  readonly path: string;
  /** Present where the file system takes different names for one. */
  readonly exact?: ExactNames;
}

/**
 * The places an object can be at, best first: its plain path, and those it has when a folder, or another spelling of the
 * name, has taken that.
 */
export async function candidatePaths(root: StoreRoot, key: string): Promise<readonly string[]> {
  const segments = key.split('/');
  const last = segments.pop() ?? '';
  if (!root.exact) {
    const folder = join(root.path, ...segments.flatMap(encodeSegment));
    return [join(folder, ...encodeSegment(last)), join(folder, ...escapeSegment(last))];
  }
  let folder = root.path;
  for (const segment of segments) folder = await exactFolder(folder, segment, root.exact);
  return formsOf(last).map((names) => join(folder, ...names));
}

const formsOf = (segment: string) => [encodeSegment(segment), hexSegment(segment), escapeSegment(segment)];

/** The folder of exactly this name, or else the place where it would be made. */
async function exactFolder(parent: string, segment: string, exact: ExactNames): Promise<string> {
  for (const names of formsOf(segment)) {
    const path = join(parent, ...names);
    if (await isExact(path, exact)) return path;
  }
  const plain = join(parent, ...encodeSegment(segment));
  return (await exists(plain)) ? join(parent, ...hexSegment(segment)) : plain;
}

/** Whether there is a file or folder at `path` whose name is written like this; its folder's name is. */
export async function isExact(path: string, exact: ExactNames | undefined): Promise<boolean> {
  return exact ? exact.has(dirname(path), path.slice(dirname(path).length + 1)) : true;
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
export async function openObject(root: StoreRoot, key: string): Promise<FileHandle> {
  const paths = await candidatePaths(root, key);
  // The plain path twice: between the first two looks, a writer may have moved the file aside for a folder.
  for (const path of [...paths, ...paths.slice(0, 1)]) {
    let handle: FileHandle | undefined;
    try {
      if (!(await isExact(path, root.exact))) continue;
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if ((await handle.stat()).isFile()) {
        await assertInside(root.path, dirname(path));
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
async function makeFolder(root: StoreRoot, folder: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      // Looked at before anything is made, so that a link cannot have folders made elsewhere.
      if (await assertNearestInside(root.path, folder)) return;
      await mkdir(folder, { recursive: true });
      await assertInside(root.path, folder);
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
async function moveFileAside(root: StoreRoot, folder: string): Promise<boolean> {
  const encode = root.exact ? hexSegment : escapeSegment;
  for (let path = folder; path.length > root.path.length; path = dirname(path)) {
    const found = await lstat(path).catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    if (found?.isFile()) {
      const names = encode(path.slice(dirname(path).length + 1));
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
export async function openTemp(root: StoreRoot): Promise<{ handle: FileHandle; path: string }> {
  const folder = join(root.path, TEMP_FOLDER);
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
export async function place(root: StoreRoot, key: string, temp: string, ifAbsent: boolean): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await placeOnce(root, key, temp, ifAbsent);
    } catch (error) {
      // A deletion removed the folder, empty until now, after it was made; or see `changed`.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries >= 10) throw error;
    }
  }
}

async function placeOnce(root: StoreRoot, key: string, temp: string, ifAbsent: boolean): Promise<void> {
  const paths = await candidatePaths(root, key);
  await makeFolder(root, dirname(paths[0] ?? ''));
  // Another spelling of a folder on the way may have been made first.
  if (root.exact && (await candidatePaths(root, key))[0] !== paths[0]) throw changed();
  const { target, isThere } = await findPlace(root, paths);
  if (target !== paths[0]) await mkdir(dirname(target), { recursive: true });
  // Another spelling of the name may come meanwhile, and a rename would write over it.
  if (!ifAbsent && (isThere || !root.exact)) return rename(temp, target);
  if (!isThere) {
    try {
      // A hard link fails if the name is taken, which a rename does not.
      await link(temp, target);
      return await rm(temp, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // Taken meanwhile; where names are folded, by which of them has to be looked at.
      if (root.exact) throw changed();
    }
  }
  throw new AppError('CONFLICT', `there is an object ${JSON.stringify(key)} already`);
}

/** Another writer took the name that this one had found free: to be looked for again. */
const changed = () => Object.assign(new Error('the name was taken meanwhile'), { code: 'ENOENT' });

/** Where the object is, or where it goes. */
async function findPlace(
  root: StoreRoot,
  paths: readonly string[],
): Promise<{ readonly target: string; readonly isThere: boolean }> {
  const [, escaped = ''] = paths;
  let free: string | undefined;
  for (const path of paths) {
    if (!(await exists(path))) {
      free ??= path;
    } else if ((await isExact(path, root.exact)) && !(await isFolder(path))) {
      return { target: path, isThere: true };
    }
  }
  return { target: free ?? escaped, isThere: false };
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
