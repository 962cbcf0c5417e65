import { constants, createReadStream } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isAppError } from '../../domain/errors.ts';
import type { ObjectInfo, ObjectStore } from '../object-store.ts';
import { mapErrors, notFound } from './errors.ts';
import { listObjects } from './listing.ts';
import { assertInside, pathOf, TEMP_FOLDER } from './paths.ts';
import { createSpelling } from './spelling.ts';
import { checkConditions, etagOf, infoOf, objectChanged, stamp } from './version.ts';
import { watchFolder } from './watch.ts';
import { openTemp, placeObject, pruneFolders, type StoreRoot } from './write.ts';

/** Older temporary files are left over from a process that died; milliseconds. */
const STALE_TEMP_MS = 3_600_000;

/**
 * An object store in a folder: `STORE=file:./data`. An object is a file, and the segments of its key are the names on its
 * path, so people can copy files in and out. Several processes may share the folder. Empty directories are not objects.
 *
 * A key that the file system cannot hold is INVALID_REQUEST: a segment that is empty, `.`, `..` or too long, a NUL, the
 * name of a folder, or a name that a write would confuse with another one (a different case on macOS or Windows).
 * On such a file system, reads accept any spelling.
 *
 * @param location `file:./data`, `file:///var/data` or a path; created if it does not exist
 * @throws AppError STORE_UNAVAILABLE if the folder cannot be created
 */
export async function createFileStore(location: string): Promise<ObjectStore> {
  const folder = folderOf(location);
  const root = await mapErrors(folder, async () => {
    await mkdir(join(folder, TEMP_FOLDER), { recursive: true });
    const path = await realpath(folder);
    return { path, spelling: await createSpelling(path) };
  });
  await removeStaleTemps(join(root.path, TEMP_FOLDER));

  const withObject = <T>(key: string, work: (handle: FileHandle) => Promise<T>) =>
    mapErrors(key, async () => {
      const handle = await openObject(root, key);
      try {
        return await work(handle);
      } finally {
        await handle.close();
      }
    });

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
      withObject(key, async (handle) => {
        const before = await checkConditions(handle, key, options);
        const body = await handle.readFile(options.signal ? { signal: options.signal } : {});
        // Another program may have written into the file during the read.
        const after = await handle.stat({ bigint: true });
        if (etagOf(after) !== etagOf(before) || BigInt(body.length) !== after.size) throw objectChanged(key);
        return body;
      }),

    read: (key, options = {}) =>
      mapErrors(key, async () => {
        const handle = await openObject(root, key);
        try {
          await checkConditions(handle, key, options);
        } catch (error) {
          await handle.close();
          throw error;
        }
        return createReadStream('', { fd: handle, ...(options.signal ? { signal: options.signal } : {}) });
      }),

    head: (key) => withObject(key, async (handle) => infoOf(key, await handle.stat({ bigint: true }))),

    put: (key, body, options = {}) =>
      mapErrors(key, async () => {
        pathOf(root.path, key);
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
          await placeObject(root, key, path, options.ifAbsent ?? false);
          return info;
        } catch (error) {
          await rm(path, { force: true });
          throw error;
        }
      }),

    async *list(prefix, options = {}) {
      const entries = listObjects(root.path, prefix, options.startAfter ?? '');
      while (true) {
        options.signal?.throwIfAborted();
        const next = await mapErrors(prefix, () => entries.next());
        if (next.done) return;
        const { key, path } = next.value;
        const found = await mapErrors(key, () => lstat(path, { bigint: true })).catch(ignoreAbsent);
        if (found?.isFile()) yield infoOf(key, found);
      }
    },

    delete: (key) =>
      mapErrors(key, async () => {
        const path = pathOf(root.path, key);
        await assertInside(root.path, dirname(path));
        await rm(path, { force: true });
        await pruneFolders(root, dirname(path));
      }).catch(ignoreAbsent),
  };
}

/** The folder of `file:./data` (relative), `file:/data`, `file:///data` or a plain path. */
function folderOf(location: string): string {
  if (location.startsWith('file:///')) return fileURLToPath(location);
  return resolve(location.startsWith('file:') ? location.slice('file:'.length) : location);
}

/** @throws AppError OBJECT_NOT_FOUND; the error of the file system if there is no such file */
async function openObject(root: StoreRoot, key: string): Promise<FileHandle> {
  const path = pathOf(root.path, key);
  const openFile = () => open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  // FUSE (Docker Desktop's shared folders) reports ENOENT if the file is replaced between the lookup and the open.
  const handle = await openFile().catch(openFile);
  try {
    if (!(await handle.stat()).isFile()) throw notFound(key);
    await assertInside(root.path, dirname(path));
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function ignoreAbsent(error: unknown): undefined {
  if (isAppError(error, 'OBJECT_NOT_FOUND')) return undefined;
  throw error;
}

async function removeStaleTemps(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > STALE_TEMP_MS) await rm(path, { force: true });
  }
}
