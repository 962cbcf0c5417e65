import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Variant } from './compiler/variants.ts';

/** Where downloaded and built files are kept when CACHE_DIR does not say: $XDG_CACHE_HOME or ~/.cache. */
export function defaultCacheDir(xdgCacheHome: string | undefined): string {
  return join(xdgCacheHome || join(homedir(), '.cache'), 'ml-serverless');
}

/** The folder of package.json: the nearest one above this file, be it the source, compiled or part of a bundle. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** models/ of this package. */
export const defaultModelsDir = (): string => join(packageRoot(), 'models');

/** Where the files of one model and version lie in the cache. */
export interface ModelFolders {
  /** source.files of the manifest, under the paths it gives. */
  readonly source: string;
  /** A SavedModel that the compiler wrote. Fixed paths: its files.json holds what made it, and its hashes. */
  compiled(variant: Variant): string;
}

export function modelFolders(cacheDir: string, model: { name: string; version: string }): ModelFolders {
  const root = join(cacheDir, 'models', model.name, model.version);
  return {
    source: join(root, 'source'),
    compiled: (variant) => join(root, variant),
  };
}
