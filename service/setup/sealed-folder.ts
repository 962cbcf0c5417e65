import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A file by its path relative to the folder, with its expected size and hash. */
export interface PinnedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface Seal {
  readonly schemaVersion: 1;
  readonly files: readonly PinnedFile[];
  /** Relative symbolic links, path -> target. */
  readonly links: Readonly<Record<string, string>>;
}

const SEAL = 'files.json';

/** @returns SHA-256 in lower-case hexadecimal */
async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/**
 * Compares the files of a folder with their sizes, and with their hashes if `verify` is true.
 *
 * @returns what is wrong; undefined if nothing is
 */
export async function inspectFiles(
  folder: string,
  files: readonly PinnedFile[],
  verify: boolean,
): Promise<string | undefined> {
  for (const { path, bytes } of files) {
    const size = (await stat(join(folder, path)).catch(() => undefined))?.size;
    if (size === undefined) return `${path} is missing`;
    if (size !== bytes) return `${path} has ${size} bytes instead of ${bytes}`;
  }
  for (const { path, sha256 } of verify ? files : []) {
    if ((await hashFile(join(folder, path))) !== sha256) return `${path} does not have its hash`;
  }
  return undefined;
}

/**
 * Compares a folder with the seal that `makeSealedFolder` wrote into it. A folder that was renamed into place is complete,
 * so that sizes are enough unless `verify` is true.
 *
 * @returns undefined if it can be trusted, 'missing' if it does not exist, else what is wrong
 */
export async function inspectSealedFolder(folder: string, verify: boolean): Promise<string | undefined> {
  if (!(await lstat(folder).catch(() => undefined))) return 'missing';
  let seal: Seal;
  try {
    seal = JSON.parse(await readFile(join(folder, SEAL), 'utf8')) as Seal;
    if (seal.schemaVersion !== 1 || !Array.isArray(seal.files)) return `${SEAL} has another format`;
  } catch {
    return `${SEAL} is missing or damaged`;
  }
  for (const [path, target] of Object.entries(seal.links)) {
    if ((await readlink(join(folder, path)).catch(() => undefined)) !== target) return `${path} is missing`;
  }
  return inspectFiles(folder, seal.files, verify);
}

/**
 * Makes a folder as a whole or not at all: `make` fills a temporary folder, a seal with the hash of every file is written
 * last, and the folder is renamed into place.
 *
 * @param workDir folder for unfinished work, on the same file system as `target`
 */
export async function makeSealedFolder(
  target: string,
  workDir: string,
  make: (folder: string) => Promise<void>,
): Promise<void> {
  const draft = join(workDir, `${basename(target)}-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  try {
    await make(draft);
    await sealFolder(draft);
    await replaceFolder(draft, target, workDir);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Moves `from` to `target`. An old `target` is moved aside first, so that it is never half of each. */
export async function replaceFolder(from: string, target: string, workDir: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const aside = join(workDir, `old-${randomUUID()}`);
  await rename(target, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(from, target);
  await rm(aside, { recursive: true, force: true });
}

async function sealFolder(folder: string): Promise<void> {
  const files: PinnedFile[] = [];
  const links: Record<string, string> = {};
  for (const path of (await readdir(folder, { recursive: true })).sort()) {
    const file = join(folder, path);
    const found = await lstat(file);
    if (found.isSymbolicLink()) links[path] = await readlink(file);
    else if (found.isFile()) files.push({ path, bytes: found.size, sha256: await hashFile(file) });
  }
  const seal: Seal = { schemaVersion: 1, files, links };
  await writeFile(join(folder, SEAL), `${JSON.stringify(seal, null, 2)}\n`);
}
