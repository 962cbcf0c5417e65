import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Variant } from './compiler/variants.ts';

/** The nearest folder above this file with a package.json; works in the sources, in dist/ and in a bundle. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** models/ of this package. */
export const defaultModelsDir = (): string => join(packageRoot(), 'models');

/** Paths in the cache of one model and version. */
export interface ModelFolders {
  /** Holds the manifest's source.files. */
  readonly source: string;
  /** Folder of a variant that the compiler wrote; its files.json has the hashes of its inputs and files. */
  compiled(variant: Variant): string;
}

export function modelFolders(cacheDir: string, model: { name: string; version: string }): ModelFolders {
  const root = join(cacheDir, 'models', model.name, model.version);
  return {
    source: join(root, 'source'),
    compiled: (variant) => join(root, variant),
  };
}
