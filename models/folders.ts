import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Precision, Stage } from './compiler/weights.ts';

/** Where downloaded and built files are kept when CACHE_DIR does not say: $XDG_CACHE_HOME or ~/.cache. */
export function defaultCacheDir(xdgCacheHome: string | undefined): string {
  return join(xdgCacheHome || join(homedir(), '.cache'), 'ml-serverless');
}

/** models/ of this package; the same folder whether this file runs from source or from dist/. */
export function defaultModelsDir(): string {
  const here = fileURLToPath(new URL('.', import.meta.url));
  return here.replace(/([\\/])dist[\\/]models[\\/]$/, '$1models$1');
}

/** Where the files of one model and version lie in the cache. */
export interface ModelFolders {
  /** source.files of the manifest, under the paths it gives. */
  readonly source: string;
  /** A SavedModel that the compiler wrote. Fixed paths: what made it, and its hashes, stand in its files.json. */
  compiled(precision: Precision, stage: Stage): string;
}

export function modelFolders(cacheDir: string, model: { name: string; version: string }): ModelFolders {
  const root = join(cacheDir, 'models', model.name, model.version);
  return {
    source: join(root, 'source'),
    compiled: (precision, stage) => join(root, `${precision}-${stage}`),
  };
}
