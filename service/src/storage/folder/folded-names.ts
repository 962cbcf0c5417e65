import { randomBytes } from 'node:crypto';
import { lstat, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Whether the file system of a folder takes two names for one that differ in case (macOS, Windows) or in how an accent is
 * written (macOS). False if that cannot be found out because nothing can be written.
 *
 * @param name the folder's own, which has letters
 */
export async function foldsNames(parent: string, name: string): Promise<boolean> {
  if (await isThere(join(parent, name.toUpperCase()))) return true;
  const unique = join(parent, name, `${process.pid}-${randomBytes(8).toString('hex')}`);
  try {
    await writeFile(`${unique}\u00e9`, '');
    return await isThere(`${unique}e\u0301`);
  } catch {
    return false;
  } finally {
    await rm(`${unique}\u00e9`, { force: true }).catch(() => undefined);
  }
}

/** Listings of folders that are remembered: those of a job's inputs and results. */
const MAX_FOLDERS = 64;

/** Longest tick of a file system's clock (FAT: 2 s), and some more; milliseconds. */
const TICK_MS = 3_000;

/** Tells on such a file system whether a folder has an entry of exactly this name. */
export interface ExactNames {
  has(folder: string, name: string): Promise<boolean>;
}

export function createExactNames(): ExactNames {
  const known = new Map<string, { readonly mtime: bigint; readonly names: ReadonlySet<string> }>();
  return {
    async has(folder, name) {
      if (!(await isThere(join(folder, name)))) return false;
      const mtime = (await stat(folder, { bigint: true })).mtimeNs;
      const before = known.get(folder);
      if (before?.mtime === mtime) return before.names.has(name);
      const names = new Set(await readdir(folder));
      known.delete(folder);
      // A listing counts only if every later change gives the folder another time.
      if (Date.now() - Number(mtime / 1_000_000n) > TICK_MS) known.set(folder, { mtime, names });
      for (const oldest of known.keys()) {
        if (known.size <= MAX_FOLDERS) break;
        known.delete(oldest);
      }
      return names.has(name);
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
