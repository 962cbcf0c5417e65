import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { AppError } from '../../domain/errors.ts';
import { checkKey } from '../../domain/keys.ts';

/** Holds half-written files: on the file system of the objects, so that a rename is atomic. No key maps to it. */
export const TEMP_FOLDER = '.key~temp';

/**
 * The file of an object. Each segment of the key is the name of a directory or of the file.
 *
 * @param root absolute path of the store's folder
 * @throws AppError INVALID_REQUEST if no path stands for the key
 */
export function pathOf(root: string, key: string): string {
  const segments = checkKey(key).split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw unusableKey(key, 'empty segments, "." and ".." are not file names');
  }
  if (key.includes('\0')) throw unusableKey(key, 'a file name has no NUL');
  if (segments[0]?.toLowerCase() === TEMP_FOLDER) throw unusableKey(key, `${TEMP_FOLDER} is reserved`);
  return join(root, ...segments);
}

export function unusableKey(key: string, reason: string, cause?: unknown): AppError {
  return new AppError(
    'INVALID_REQUEST',
    `the folder store cannot hold the key ${JSON.stringify(key)}: ${reason}`,
    {},
    { cause },
  );
}

/**
 * Throws unless `folder`, with links resolved, is in `root`.
 *
 * @param root links resolved
 * @throws AppError OBJECT_NOT_FOUND
 */
export async function assertInside(root: string, folder: string): Promise<void> {
  const real = await realpath(folder);
  if (real !== root && !real.startsWith(root + sep)) {
    throw new AppError(
      'OBJECT_NOT_FOUND',
      'the path leaves the store by a symbolic link; links are not followed',
    );
  }
}
