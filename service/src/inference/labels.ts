import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../domain/errors.ts';

/**
 * Returns the labels in the manifest, or reads the file that it names.
 *
 * @param folder of the model's files
 * @throws AppError INVALID_MODEL if there are not exactly `classes` labels
 */
export async function loadLabels(
  { labels, classes }: { readonly labels: string | readonly string[]; readonly classes: number },
  folder: string,
): Promise<readonly string[]> {
  if (typeof labels === 'string') return readLabels(join(folder, labels), classes);
  if (labels.length === classes) return labels;
  const message = `/output/labels has ${labels.length} labels, the manifest says ${classes} classes`;
  throw new AppError('INVALID_MODEL', message);
}

/** Reads a JSON array of labels, or an object from index to label (`{"0": "tench", ...}`). */
async function readLabels(file: string, classes: number): Promise<string[]> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new AppError(
      'INVALID_MODEL',
      `cannot read labels from ${file}: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
  const table = value as Record<number, unknown>;
  const count = Array.isArray(value) ? value.length : Object.keys(table ?? {}).length;
  const labels = Array.from({ length: classes }, (_, index) => table?.[index]);
  if (count !== classes || !labels.every((label) => typeof label === 'string')) {
    throw new AppError(
      'INVALID_MODEL',
      `${file} holds ${count} labels, the manifest says ${classes} classes`,
    );
  }
  return labels as string[];
}
