// Image build: the context for the set-up code.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createProgress } from '../../dist/service/setup/progress.mjs';

/** The SetupContext of service/setup/context.ts, with CACHE_DIR as the cache folder. */
export async function buildContext() {
  const cacheDir = process.env.CACHE_DIR;
  if (!cacheDir) throw new Error('CACHE_DIR is not set');
  await mkdir(join(cacheDir, 'work'), { recursive: true });
  return {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    cacheDir,
    environment: process.env,
    progress: createProgress(process.stderr, false),
    verify: true,
  };
}
