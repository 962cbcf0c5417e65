import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Precision, Stage } from './compiler/compile.ts';
import type { Manifest } from './manifest.ts';

/**
 * The one folder outside the clone that set-up writes to, an absolute path: CACHE_DIR, else
 * $XDG_CACHE_HOME/ml-serverless, else ~/.cache/ml-serverless. service/bootstrap/cache-folder.mjs is its twin for the
 * time before the build.
 */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>>): string {
  if (environment.CACHE_DIR) return resolve(environment.CACHE_DIR);
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ml-serverless');
}

type Identity = Pick<Manifest, 'name' | 'version' | 'source'>;

/** Folder of everything the cache holds of one version of a model. */
export function modelFolder(cacheDir: string, manifest: Identity): string {
  const version = encodeURIComponent(manifest.version).replace(/^\.+/, '_');
  return join(cacheDir, 'models', manifest.name, version);
}

/**
 * Folder that `manifest.source.files` are relative to: in the cache for a model from npm, else the manifest's own folder.
 *
 * @param manifestFolder folder that holds manifest.json
 */
export function sourceFolder(cacheDir: string, manifest: Identity, manifestFolder: string): string {
  return manifest.source.npm === undefined ? manifestFolder : join(modelFolder(cacheDir, manifest), 'source');
}

/** Folder of the SavedModel that the compiler made of the source: saved_model.pb, and weights for stage `inputs`. */
export function compiledFolder(
  cacheDir: string,
  manifest: Identity,
  precision: Precision,
  stage: Stage,
): string {
  const key = createHash('sha256').update(compilerHash());
  for (const { path, sha256 } of manifest.source.files) key.update(`${path}\0${sha256}\0`);
  return join(
    modelFolder(cacheDir, manifest),
    'compiled',
    `${precision}-${stage}-${key.digest('hex').slice(0, 16)}`,
  );
}

let knownCompilerHash: string | undefined;

/** SHA-256 over the compiler's own files: what another compiler made is never taken for this one's. */
function compilerHash(): string {
  if (knownCompilerHash !== undefined) return knownCompilerHash;
  const folder = join(dirname(fileURLToPath(import.meta.url)), 'compiler');
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) {
    if (name.endsWith('.js')) hash.update(name).update(readFileSync(join(folder, name)));
  }
  knownCompilerHash = hash.digest('hex');
  return knownCompilerHash;
}
