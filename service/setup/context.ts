import { join } from 'node:path';
import type { Progress } from './progress.mjs';

/** What every part of set-up needs. */
export interface SetupContext {
  /** The directory of package.json. */
  readonly root: string;
  /** Absolute path of the cache directory. */
  readonly cacheDir: string;
  /** The environment that child processes inherit. */
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  /** True for `--verify`: hash every file in the cache again instead of trusting its size. */
  readonly verify: boolean;
}

/** Directory of unfinished work, on the same disk as the results; emptied when set-up takes its lock. */
export const workFolder = (cacheDir: string) => join(cacheDir, 'work');
