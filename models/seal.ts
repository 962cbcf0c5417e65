import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseManifest } from './manifest.ts';

// Writes the sizes and hashes of a model's files into its manifest: `node dist/models/seal.js <folder of the model>`.

/** Not files of the model: the manifest itself, its own code, and what only tests read. */
const NOT_SEALED = new Set(['manifest.json', 'ranges.json', 'hooks.mjs', 'golden.json']);
/** Nor what made it (scripts, notebooks), the pictures that the page offers, and what systems leave in folders. */
const EXCLUDED = /\.(py|ipynb)$|^samples\/|(^|\/)(\.|__pycache__\/)/;

/**
 * Fills /source/files of `<folder>/manifest.json` with what lies in the folder, and checks the result.
 *
 * @returns how many files were sealed
 * @throws AppError INVALID_MODEL with one line that names the field
 */
export async function sealModel(folder: string): Promise<number> {
  const file = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as { source?: object };
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = [];
  for (const entry of entries) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (!entry.isFile() || NOT_SEALED.has(path) || EXCLUDED.test(path)) continue;
    const content = await readFile(join(folder, path));
    const sha256 = createHash('sha256').update(content).digest('hex');
    files.push({ path, bytes: content.length, sha256 });
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const text = `${JSON.stringify({ ...manifest, source: { ...manifest.source, files } }, null, 2)}\n`;
  parseManifest(text, file);
  await writeFile(file, text);
  return files.length;
}

const [folder] = process.argv.slice(2);
if (process.argv[1] === import.meta.filename) {
  try {
    if (folder === undefined) throw new Error('name the folder of a model');
    process.stdout.write(`${await sealModel(folder)} files sealed in ${join(folder, 'manifest.json')}\n`);
  } catch (error) {
    process.stderr.write(`seal: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
