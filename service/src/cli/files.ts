import { open, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { formatBytes } from '../domain/format.ts';
import { CommandError, EXIT, noImages, notReadable } from './failure.ts';

/** File names that are searched for in a folder; a named file may have any name. */
const IMAGE = /\.(jpe?g|jpe|jfif|png|webp|avif|tiff?|gif)$/i;
/** Files per command. */
const MAX_FILES = 1_000_000;

/** An input, or why it cannot be read. */
export type Found =
  | {
      readonly name: string;
      readonly path: string;
      readonly bytes: number;
      /** Path from the named folder on, that folder's name included, with slashes: `photos/sub/a.jpg`. */
      readonly relative: string;
    }
  | { readonly name: string; readonly error: CommandError };

export type FoundFile = Extract<Found, { path: string }>;

/**
 * The files that the arguments name: files, and all images below folders, in order. Hidden files and folders, and linked
 * folders, are skipped. An unreadable path becomes an entry with its error.
 *
 * @param cwd base of relative paths
 */
export async function findFiles(paths: readonly string[], cwd: string): Promise<Found[]> {
  const found: Found[] = [];
  const add = (entry: Found) => {
    if (found.push(entry) > MAX_FILES) {
      throw new CommandError(
        'USAGE',
        `more than ${MAX_FILES} files; split them into several commands`,
        EXIT.usage,
      );
    }
  };
  for (const name of paths) {
    const path = resolve(cwd, name);
    await search(name, path, basename(path), add, 'named');
  }
  return found;
}

async function search(
  name: string,
  path: string,
  relative: string,
  add: (entry: Found) => void,
  how: 'named' | 'folder' | 'entry',
): Promise<void> {
  try {
    const facts = await stat(path);
    if (facts.isFile()) return add({ name, path, bytes: facts.size, relative });
    if (!facts.isDirectory()) throw notReadable('not a file or folder; pipe it into -');
    // A link to a folder may form a cycle.
    if (how === 'entry') return;
    let count = 0;
    const entries = await readdir(path, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      if (!entry.isDirectory() && !IMAGE.test(entry.name)) continue;
      await search(
        join(name, entry.name),
        join(path, entry.name),
        relative === '' ? entry.name : `${relative}/${entry.name}`,
        (item) => {
          count++;
          return add(item);
        },
        entry.isDirectory() ? 'folder' : 'entry',
      );
    }
    if (how === 'named' && count === 0)
      throw noImages('no image in this folder (JPEG, PNG, WebP, AVIF, TIFF, GIF)');
  } catch (error) {
    // A limit of the whole command, not of this path.
    if (error instanceof CommandError && error.exitStatus !== EXIT.someFailed) throw error;
    add({ name, error: error instanceof CommandError ? error : fileError(error) });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'is a folder',
  ELOOP: 'a cycle of links',
};

/** A file system error as a message. */
export function fileError(error: unknown): CommandError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return notReadable(REASONS[code] ?? message, error);
}

/** Largest file that is read into memory; the default limit of services is 20 MiB. */
const MAX_BYTES = 128 * 1024 * 1024;

const tooLarge = (bytes: string) =>
  new CommandError('IMAGE_TOO_LARGE', `${bytes}: more than ${formatBytes(MAX_BYTES)}`, EXIT.someFailed);

/** The bytes of a file, bounded. @throws CommandError FILE_NOT_READABLE, IMAGE_TOO_LARGE */
export async function readImageFile(path: string): Promise<Buffer<ArrayBuffer>> {
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  try {
    handle = await open(path);
    const { size } = await handle.stat();
    if (size > MAX_BYTES) throw tooLarge(formatBytes(size));
    return await handle.readFile();
  } catch (error) {
    throw error instanceof CommandError ? error : fileError(error);
  } finally {
    await handle?.close();
  }
}

/** The bytes of stdin, bounded. @throws CommandError IMAGE_TOO_LARGE, NO_IMAGES */
export async function readStdin(stream: AsyncIterable<Buffer>): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream) {
    bytes += part.length;
    if (bytes > MAX_BYTES) throw tooLarge('stdin');
    parts.push(part);
  }
  if (bytes === 0) throw noImages('stdin is empty; pipe an image into it');
  return Buffer.concat(parts);
}
