import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseManifest } from './manifest.ts';

// Writes the sizes and hashes of a model's files into its manifest: `node dist/models/seal.js <folder of the model>`.

/**
 * Paths that are not files of the model: metadata, hooks, test data, training scripts, the page's sample pictures, and
 * hidden files.
 */
const EXCLUDED =
  /^(manifest|ranges|golden)\.json$|^hooks\.mjs$|\.(py|ipynb)$|^samples\/|(^|\/)(\.|__pycache__\/)/;

/**
 * Writes the files of a folder into /source/files of its manifest.json, and checks the result.
 *
 * @returns number of files
 * @throws AppError INVALID_MODEL with one line that names the field
 */
export async function sealModel(folder: string): Promise<number> {
  const file = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as { source?: object };
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = [];
  for (const entry of entries) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (!entry.isFile() || EXCLUDED.test(path)) continue;
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
    if (folder === undefined) throw new Error('usage: node dist/models/seal.js <folder of the model>');
    process.stdout.write(`${await sealModel(folder)} files sealed in ${join(folder, 'manifest.json')}\n`);
  } catch (error) {
    process.stderr.write(`seal: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
