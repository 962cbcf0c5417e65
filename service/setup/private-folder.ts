import { chmod, mkdir, stat } from 'node:fs/promises';
import { SetupError } from './failure.ts';

/** Bits of a mode that let the group or everybody else write. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Makes sure that only this user can change the cache folder: the hashes of compiled files are in the same folders, so a
 * user who can write there can replace both. Creates the folder if it does not exist.
 *
 * @throws SetupError when the folder belongs to another user (root's is trusted)
 */
export async function claimFolder(folder: string, user = process.getuid?.()): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  // Windows has no owners of this kind.
  if (user === undefined) return;
  const { uid, mode } = await stat(folder);
  if (uid !== user && uid !== 0) {
    throw new SetupError(
      `the cache folder ${folder} belongs to another user (${uid}): set CACHE_DIR to a folder of your own`,
    );
  }
  if ((mode & WRITABLE_BY_OTHERS) === 0) return;
  if (uid !== user) {
    throw new SetupError(
      `others may write to the cache folder ${folder}: set CACHE_DIR to a folder of your own`,
    );
  }
  await chmod(folder, mode & ~WRITABLE_BY_OTHERS);
}
