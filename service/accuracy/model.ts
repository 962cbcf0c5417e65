import { join } from 'node:path';
import { modelFolders } from '../../models/folders.ts';
import { modelFolder } from '../../models/locate.ts';
import { type ImageManifest, readManifest } from '../../models/manifest.ts';
import { sourceFolder } from '../../models/paths.ts';
import { loadConfig } from '../src/config/config.ts';
import { AppError } from '../src/domain/errors.ts';

export interface AccuracyModel {
  readonly manifest: ImageManifest;
  /** Folder of manifest.json. */
  readonly folder: string;
  /** Folder that the paths of manifest.source.files are relative to. */
  readonly source: string;
  /** Path of the file that the engine loads. */
  readonly entry: string;
  readonly folders: ReturnType<typeof modelFolders>;
}

/** Finds an image model. @throws AppError INVALID_MODEL if it takes rows, MODEL_NOT_FOUND */
export async function findImageModel(name: string): Promise<AccuracyModel> {
  const { cacheDir, modelsDir } = loadConfig();
  const folder = modelFolder(modelsDir, name);
  const manifest = await readManifest(folder);
  if (manifest.task !== 'image-classification') {
    throw new AppError('INVALID_MODEL', `${name} takes rows, not images`);
  }
  const source = sourceFolder(cacheDir, manifest, folder);
  return {
    manifest,
    folder,
    source,
    entry: join(source, manifest.entry),
    folders: modelFolders(cacheDir, manifest),
  };
}
