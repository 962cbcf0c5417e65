import { chmod, stat } from 'node:fs/promises';
import { createFolder } from '../../models/cache-folder.mjs';
import { SetupError } from './failure.ts';

/** Mode bits: writable by the group or by others. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Ensures that only this user can change the cache directory: set-up trusts what it put there. Creates the directory if it
 * does not exist.
 *
 * @throws SetupError if the directory belongs to another user (root is trusted)
 */
export async function claimFolder(folder: string, user = process.getuid?.()): Promise<void> {
  createFolder(folder);
  // Windows has no user ids.
  if (user === undefined) return;
  const { uid, mode } = await stat(folder);
  if (uid !== user && uid !== 0) {
    throw new SetupError(
      `the cache directory ${folder} belongs to another user (${uid}): set CACHE_DIR to a directory of your own`,
    );
  }
  if ((mode & WRITABLE_BY_OTHERS) === 0) return;
  if (uid !== user) {
    throw new SetupError(
      `other users can write to the cache directory ${folder}: set CACHE_DIR to a directory of your own`,
    );
  }
  await chmod(folder, mode & ~WRITABLE_BY_OTHERS);
}
