import { type BigIntStats, createReadStream } from 'node:fs';
import { type FileHandle, lstat, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { AppError, isAppError } from '../../domain/errors.ts';
import { checkKey } from '../../domain/keys.ts';
import type { GetOptions, ObjectInfo, ObjectStore } from '../object-store.ts';
import {
  assertInside,
  candidatePaths,
  isAbsent,
  isExact,
  openObject,
  openTemp,
  place,
  pruneFolders,
} from './access.ts';
import { createExactNames, foldsNames } from './folded-names.ts';
import { walk } from './listing.ts';
import { TEMP_FOLDER } from './names.ts';
import { watchFolder } from './watch.ts';

/** A temporary file this old belongs to nobody any more. */
const STALE_TEMP_MS = 3_600_000;

/**
 * An object store in a folder: what `STORE=file:./data` means. Several processes may share it.
 * Folders are not objects; an empty one is simply not there.
 *
 * @param location `file:./data`, `file:///var/data` or a path; made if it is not there
 * @throws AppError STORE_UNAVAILABLE when the folder cannot be made or written
 */
export async function createFileStore(location: string): Promise<ObjectStore> {
  const folder = folderOf(location);
  const root = await guard(folder, async () => {
    await mkdir(join(folder, TEMP_FOLDER), { recursive: true });
    const path = await realpath(folder);
    const folds = await foldsNames(path, TEMP_FOLDER);
    return { path, ...(folds ? { exact: createExactNames() } : {}) };
  });
  await removeStaleTemps(join(root.path, TEMP_FOLDER));

  return {
    uri: pathToFileURL(root.path).href,
    watch: (prefix, ignored, onKey, onError) =>
      watchFolder(
        join(root.path, ...prefix.split('/').filter(Boolean)),
        ignored,
        (path) => onKey(prefix + path),
        onError,
      ),

    get: (key, options = {}) =>
      guard(key, async () => {
        const handle = await openObject(root, checkKey(key));
        try {
          const before = await check(handle, key, options);
          const body = await handle.readFile(options.signal ? { signal: options.signal } : {});
          // Somebody may have written into the file while it was read.
          const after = await handle.stat({ bigint: true });
          if (etagOf(after) !== etagOf(before) || BigInt(body.length) !== after.size) throw changed(key);
          return body;
        } finally {
          await handle.close();
        }
      }),

    read: (key, options = {}) =>
      guard(key, async () => {
        const handle = await openObject(root, checkKey(key));
        try {
          await check(handle, key, options);
        } catch (error) {
          await handle.close();
          throw error;
        }
        return createReadStream('', { fd: handle, ...(options.signal ? { signal: options.signal } : {}) });
      }),

    head: (key) =>
      guard(key, async () => {
        const handle = await openObject(root, checkKey(key));
        try {
          return infoOf(key, await handle.stat({ bigint: true }));
        } finally {
          await handle.close();
        }
      }),

    put: (key, body, options = {}) =>
      guard(key, async () => {
        checkKey(key);
        const { handle, path } = await openTemp(root);
        try {
          let info: ObjectInfo;
          try {
            await handle.writeFile(body);
            await stamp(handle);
            info = infoOf(key, await handle.stat({ bigint: true }));
          } finally {
            await handle.close();
          }
          await place(root, key, path, options.ifAbsent ?? false);
          return info;
        } catch (error) {
          await rm(path, { force: true });
          throw error;
        }
      }),

    async *list(prefix, options = {}) {
      const entries = walk(root.path, prefix, options.startAfter ?? '');
      while (true) {
        options.signal?.throwIfAborted();
        const next = await guard(prefix, () => entries.next());
        if (next.done) return;
        const { key, path } = next.value;
        const found = await guard(key, () => lstat(path, { bigint: true })).catch(ignoreAbsent);
        if (found?.isFile()) yield infoOf(key, found);
      }
    },

    delete: (key) =>
      guard(key, async () => {
        const paths = new Set(await candidatePaths(root, checkKey(key)));
        for (const path of paths) {
          if (!(await isInside(root.path, dirname(path))) || !(await isExact(path, root.exact))) continue;
          await rm(path, { force: true }).catch((error: unknown) => {
            // A folder of that name is not this object.
            if (!isAbsent(error) && (error as NodeJS.ErrnoException).code !== 'ERR_FS_EISDIR') throw error;
          });
        }
        for (const path of [...paths].reverse()) await pruneFolders(root.path, dirname(path));
      }),
  };
}

/** The folder that `file:./data` (relative), `file:/data`, `file:///data` or a plain path means. */
function folderOf(location: string): string {
  if (location.startsWith('file:///')) return fileURLToPath(location);
  return resolve(location.startsWith('file:') ? location.slice('file:'.length) : location);
}

let lastStamp = 0;

/**
 * Gives what was written a time of its own, in microseconds: the kernel's clock for files stands still for up to 4 ms,
 * and inode numbers are used again at once, so that without it two versions of one size could have one etag.
 */
async function stamp(handle: FileHandle): Promise<void> {
  lastStamp = Math.max(lastStamp + 1, Math.floor((performance.timeOrigin + performance.now()) * 1000));
  await handle.utimes(lastStamp / 1e6, lastStamp / 1e6);
  // Without it, a power cut could leave an empty file under the final name.
  await handle.sync();
}

function etagOf(found: BigIntStats): string {
  return [found.mtimeNs, found.size, found.ino].map((part) => part.toString(36)).join('-');
}

/** How far `stamp` may be ahead of the kernel's clock for files, and then some; milliseconds. */
const STAMP_AHEAD_MS = 1000n;

/**
 * `lastModified` is when the content came to this place: a file moved in keeps the mtime that it had elsewhere, by another
 * clock perhaps, but its ctime tells. Only the mtime of what this store wrote is the better of the two.
 */
function infoOf(key: string, found: BigIntStats): ObjectInfo {
  const ahead = found.mtimeMs - found.ctimeMs;
  const time = ahead > 0n && ahead < STAMP_AHEAD_MS ? found.mtimeMs : found.ctimeMs;
  return { key, etag: etagOf(found), size: Number(found.size), lastModified: new Date(Number(time)) };
}

async function check(handle: FileHandle, key: string, options: GetOptions): Promise<BigIntStats> {
  options.signal?.throwIfAborted();
  const found = await handle.stat({ bigint: true });
  if (options.etag !== undefined && options.etag !== etagOf(found)) throw changed(key);
  if (options.maxBytes !== undefined && found.size > options.maxBytes) {
    throw new AppError(
      'IMAGE_TOO_LARGE',
      `the object has ${found.size} bytes; at most ${options.maxBytes} are read`,
    );
  }
  return found;
}

function changed(key: string): AppError {
  return new AppError('OBJECT_CHANGED', `the object ${JSON.stringify(key)} was replaced in the meantime`);
}

function ignoreAbsent(error: unknown): undefined {
  if (error instanceof AppError && error.code === 'OBJECT_NOT_FOUND') return undefined;
  throw error;
}

/** Lets AppErrors and aborts pass; absence becomes OBJECT_NOT_FOUND, the rest STORE_UNAVAILABLE with the system's reason. */
async function guard<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof AppError || (error instanceof Error && error.name === 'AbortError')) throw error;
    const name = JSON.stringify(what);
    if (isAbsent(error))
      throw new AppError('OBJECT_NOT_FOUND', `there is no object ${name} in the store`, {}, { cause: error });
    const code = (error as NodeJS.ErrnoException).code;
    if (typeof code !== 'string') throw error;
    const hint = {
      ENOSPC: ': the disk is full',
      EDQUOT: ': the quota is used up',
      EACCES: ': permission denied',
      EROFS: ': read-only',
    };
    const reason = hint[code as keyof typeof hint] ?? '';
    throw new AppError(
      'STORE_UNAVAILABLE',
      `the folder of the store fails at ${name} with ${code}${reason}`,
      {},
      { cause: error },
    );
  }
}

/** False where there is no such folder, and where a link leads out of the store. */
async function isInside(root: string, folder: string): Promise<boolean> {
  try {
    await assertInside(root, folder);
    return true;
  } catch (error) {
    if (isAbsent(error) || isAppError(error, 'OBJECT_NOT_FOUND')) return false;
    throw error;
  }
}

async function removeStaleTemps(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > STALE_TEMP_MS) await rm(path, { force: true });
  }
}
