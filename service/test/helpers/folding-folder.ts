import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot } from './root.ts';
import { until } from './until.ts';

const MOUNT = fromRoot('service/test/helpers/folding-mount.py');

/** A folder on a file system that ignores case in names. */
export interface FoldingFolder {
  readonly folder: string;
  /** Why there is none, or false. */
  readonly skip: string | false;
  close(): Promise<void>;
}

/** A temporary folder that ignores case: as it is on macOS and Windows, on a FUSE mount on Linux. */
export async function foldingFolder(): Promise<FoldingFolder> {
  const base = mkdtempSync(join(tmpdir(), 'folding-'));
  const remove = () => rmSync(base, { recursive: true, force: true });
  if (ignoresCase(base)) return { folder: base, skip: false, close: async () => remove() };
  const [below, folder] = [join(base, 'below'), join(base, 'mount')];
  mkdirSync(below);
  mkdirSync(folder);
  writeFileSync(join(below, 'mounted'), '');
  const child = spawn('python3', [MOUNT, below, folder], { stdio: 'ignore' });
  const ended = new Promise<void>((done) => {
    child.once('exit', () => done());
    child.once('error', () => done());
  });
  const close = async () => {
    child.kill();
    await ended;
    remove();
  };
  if (await isMounted(child, folder)) return { folder, skip: false, close };
  await close();
  const skip = 'needs a file system that ignores case: macOS, Windows, or fusepy, libfuse2 and /dev/fuse';
  return { folder, skip, close: async () => {} };
}

function ignoresCase(folder: string): boolean {
  writeFileSync(join(folder, 'probe'), '');
  return existsSync(join(folder, 'PROBE'));
}

async function isMounted(child: ChildProcess, folder: string): Promise<boolean> {
  let hasEnded = false;
  for (const event of ['exit', 'error']) child.once(event, () => (hasEnded = true));
  const isThere = () => existsSync(join(folder, 'MOUNTED'));
  await until('the mount of a folder', () => hasEnded || isThere());
  return !hasEnded;
}
