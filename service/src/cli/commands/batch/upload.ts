import { constants, openAsBlob } from 'node:fs';
import { access } from 'node:fs/promises';
import { notReadable } from '../../failure.ts';
import { type FoundFile, fileError } from '../../files.ts';

/** Maximum files and bytes of one request, which becomes one job. The service accepts 64 MiB; half of it also arrives in time on a slow line. */
export const MAX_PART_FILES = 1000;
export const MAX_PART_BYTES = 32 * 1024 * 1024;
/** Allowance for what stands around a file in a form, in bytes. */
const PART_HEADERS = 512;

/** Files in groups that fit into one form of at most `maxBytes` each, in their order. */
export function splitUpload(files: readonly FoundFile[], maxBytes = MAX_PART_BYTES): FoundFile[][] {
  const parts: FoundFile[][] = [];
  let bytes = 0;
  for (const file of files) {
    const needed = file.bytes + PART_HEADERS;
    const last = parts.at(-1);
    if (last && last.length < MAX_PART_FILES && bytes + needed <= maxBytes) {
      last.push(file);
      bytes += needed;
    } else {
      parts.push([file]);
      bytes = needed;
    }
  }
  return parts;
}

/** Files that are uploaded one by one, in groups whose keys fit into one request. */
export function splitKeys(files: readonly FoundFile[]): FoundFile[][] {
  const parts: FoundFile[][] = [];
  for (let at = 0; at < files.length; at += MAX_PART_FILES) parts.push(files.slice(at, at + MAX_PART_FILES));
  return parts;
}

/** A file that is read while it is sent. @throws CommandError FILE_NOT_READABLE */
export async function blobOf({ name, path }: FoundFile): Promise<Blob> {
  try {
    await access(path, constants.R_OK);
    return await openAsBlob(path);
  } catch (error) {
    throw notReadable(`${name}: ${fileError(error).message}`, error);
  }
}

/** A form of fields and files; those that are undefined are left out. @throws CommandError FILE_NOT_READABLE */
export async function createForm(
  fields: Readonly<Record<string, string | number | undefined>>,
  files: readonly FoundFile[],
): Promise<FormData> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined) form.append(name, String(value));
  for (const file of files) form.append('files', await blobOf(file), file.relative);
  return form;
}
