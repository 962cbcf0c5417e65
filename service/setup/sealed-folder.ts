import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Hasher } from './hasher.ts';

/** A file by its path relative to the folder, with what it must be. */
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

/**
 * Checks every file of a folder against its hash.
 *
 * @returns undefined when all is as pinned, else what is wrong in a few words
 */
export async function inspectFiles(
  folder: string,
  files: readonly PinnedFile[],
  hasher: Hasher,
): Promise<string | undefined> {
  // Sizes first: a missing or truncated file is found without reading the others.
  for (const { path, bytes } of files) {
    const size = (await stat(join(folder, path)).catch(() => undefined))?.size;
    if (size === undefined) return `${path} is missing`;
    if (size !== bytes) return `${path} has ${size} bytes instead of ${bytes}`;
  }
  const largestFirst = [...files].sort((a, b) => b.bytes - a.bytes);
  const faults = await Promise.all(
    largestFirst.map(async ({ path, sha256 }) => {
      const digest = await hasher.digest(join(folder, path));
      return digest.sha256 === sha256 ? undefined : `${path} does not have its hash`;
    }),
  );
  return faults.find((fault) => fault !== undefined);
}

/**
 * Checks a folder that `makeSealedFolder` made against the seal in it.
 *
 * @returns undefined when it can be trusted, 'missing' when it is not there, else what is wrong in a few words
 */
export async function inspectSealedFolder(folder: string, hasher: Hasher): Promise<string | undefined> {
  if (!(await lstat(folder).catch(() => undefined))) return 'missing';
  let seal: Seal;
  try {
    seal = JSON.parse(await readFile(join(folder, SEAL), 'utf8')) as Seal;
    if (seal.schemaVersion !== 1 || !Array.isArray(seal.files)) return `${SEAL} is of another kind`;
  } catch {
    return `${SEAL} is missing or damaged`;
  }
  for (const [path, target] of Object.entries(seal.links)) {
    if ((await readlink(join(folder, path)).catch(() => undefined)) !== target) return `${path} is missing`;
  }
  return inspectFiles(folder, seal.files, hasher);
}

/**
 * Makes a folder as a whole or not at all: `make` fills a temporary folder on the same disk, a seal with the hash of
 * every file is written last, and the folder is renamed into place. What stood there before is replaced.
 *
 * @param workDir folder for unfinished work, on the same file system as `target`
 */
export async function makeSealedFolder(
  target: string,
  workDir: string,
  hasher: Hasher,
  make: (folder: string) => Promise<void>,
): Promise<void> {
  const draft = join(workDir, `${basename(target)}-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  try {
    await make(draft);
    await sealFolder(draft, hasher);
    await replaceFolder(draft, target, workDir);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Moves `from` to `target`; what stood there is moved aside first, so that `target` is never half of each. */
export async function replaceFolder(from: string, target: string, workDir: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const aside = join(workDir, `old-${randomUUID()}`);
  await rename(target, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(from, target);
  await rm(aside, { recursive: true, force: true });
}

async function sealFolder(folder: string, hasher: Hasher): Promise<void> {
  const files: PinnedFile[] = [];
  const links: Record<string, string> = {};
  for (const path of (await readdir(folder, { recursive: true })).sort()) {
    const found = await lstat(join(folder, path));
    if (found.isSymbolicLink()) links[path] = await readlink(join(folder, path));
    else if (found.isFile()) files.push({ path, ...(await hasher.digest(join(folder, path))) });
  }
  const seal: Seal = { schemaVersion: 1, files, links };
  await writeFile(join(folder, SEAL), `${JSON.stringify(seal, null, 2)}\n`);
}
