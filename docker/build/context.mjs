// Image build: the context for the set-up code.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHasher } from '../../dist/service/setup/hasher.js';
import { createProgress } from '../../dist/service/setup/progress.js';

/** The SetupContext of service/setup/context.ts, with CACHE_DIR as the cache folder. */
export async function buildContext() {
  const cacheDir = process.env.CACHE_DIR;
  if (!cacheDir) throw new Error('CACHE_DIR has to be set');
  await mkdir(join(cacheDir, 'work'), { recursive: true });
  return {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    cacheDir,
    environment: process.env,
    progress: createProgress(process.stderr, false),
    hasher: createHasher(),
  };
}

/** Ends the process. Failures have been reported. */
export async function end({ hasher }, status) {
  await hasher.close();
  process.exit(status);
}
