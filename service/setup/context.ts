import { join } from 'node:path';
import type { Hasher } from './hasher.ts';
import type { Progress } from './progress.ts';

/** What every part of set-up is given. */
export interface SetupContext {
  /** The clone: the folder of package.json. */
  readonly root: string;
  /** Absolute path of the cache folder. */
  readonly cacheDir: string;
  /** The environment that child processes inherit. */
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly hasher: Hasher;
}

/** Folder of unfinished work, on the same disk as what becomes of it; emptied whenever set-up takes its lock. */
export const workFolder = (cacheDir: string) => join(cacheDir, 'work');
