import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelFolders } from './folders.ts';
import type { Manifest } from './manifest.ts';

type Identity = Pick<Manifest, 'name' | 'version' | 'source'>;

/**
 * The folder of `manifest.source.files`: in the cache for a model from npm, else the manifest's folder.
 *
 * @param manifestFolder folder that holds manifest.json
 */
export function sourceFolder(cacheDir: string, manifest: Identity, manifestFolder: string): string {
  return manifest.source.npm === undefined ? manifestFolder : modelFolders(cacheDir, manifest).source;
}

/**
 * One hash of everything that a compiled model depends on: source files, compiler, the input's normalisation and, for
 * int8, the ranges. Set-up compiles the model again if it differs.
 *
 * @param ranges content of ranges.json
 */
export function compiledFrom(
  manifest: Identity & Pick<Manifest, 'input'>,
  ranges: string | undefined,
): string {
  const key = createHash('sha256').update(compilerHash()).update(JSON.stringify(manifest.input));
  if (ranges !== undefined) key.update(ranges);
  for (const { path, sha256 } of manifest.source.files) key.update(`${path}\0${sha256}\0`);
  return key.digest('hex');
}

let knownCompilerHash: string | undefined;

/** SHA-256 over the compiler's own files, so that a model of another compiler is compiled again. */
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
