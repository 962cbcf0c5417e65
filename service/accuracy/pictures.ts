import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import type { ImageInput } from '../../models/manifest.ts';
import { isAppError } from '../src/domain/errors.ts';
import { decode } from '../src/inference/image/decode.ts';

const PICTURE = /\.(jpe?g|png|webp|avif|tiff?|gif)$/i;
const MAX_PIXELS = 200_000_000;

/** A picture file by its path relative to the folder, with `/` between its parts. */
export interface PictureFile {
  readonly path: string;
  readonly file: string;
}

/** Lists the picture files below `folder`, sorted by path. */
export async function listPictures(folder: string): Promise<PictureFile[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries
    .filter((entry) => entry.isFile() && PICTURE.test(entry.name))
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return { file, path: relative(folder, file).split(sep).join('/') };
    });
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Reads and decodes a picture; `pixels` are the model's input: uint8, [height, width, channels]. Null if unreadable. */
export async function readPicture(
  file: string,
  input: ImageInput,
): Promise<{ readonly bytes: Buffer; readonly pixels: Uint8Array<ArrayBuffer> } | null> {
  const bytes = await readFile(file);
  try {
    const { pixels } = await decode(bytes, input, { maxPixels: MAX_PIXELS });
    return { bytes, pixels: new Uint8Array(pixels) };
  } catch (error) {
    if (isAppError(error, 'UNREADABLE_IMAGE', 'IMAGE_TOO_LARGE')) return null;
    throw error;
  }
}

/**
 * The class of a picture: its folder's name as a label or class index, else its own name as a class index (`281.jpg`,
 * `281_a.jpg`).
 *
 * @returns undefined if neither is a class
 */
export function classOf(path: string, labels: readonly string[]): number | undefined {
  const parts = path.split('/');
  const folder = parts.length > 1 ? parts.at(-2) : undefined;
  const label = folder === undefined ? -1 : labels.indexOf(folder);
  if (label >= 0) return label;
  const name = basename(path, extname(path));
  for (const text of [folder, name]) {
    const digits = /^(\d+)(?:[_-]|$)/.exec(text ?? '')?.[1];
    if (digits !== undefined && Number(digits) < labels.length) return Number(digits);
  }
  return undefined;
}
