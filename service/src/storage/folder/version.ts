import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { AppError } from '../../domain/errors.ts';
import type { GetOptions, ObjectInfo } from '../object-store.ts';

let lastStamp = 0;

/**
 * Gives a written file a modification time of its own, in microseconds. Without it, two versions of one size could have
 * one etag: the kernel's clock for files advances every 4 ms only, and inode numbers are reused at once.
 */
export async function stamp(handle: FileHandle): Promise<void> {
  lastStamp = Math.max(lastStamp + 1, Math.floor((performance.timeOrigin + performance.now()) * 1000));
  await handle.utimes(lastStamp / 1e6, lastStamp / 1e6);
  // Without it, a power cut could leave an empty file under the final name.
  await handle.sync();
}

export function etagOf(found: BigIntStats): string {
  return [found.mtimeNs, found.size, found.ino].map((part) => part.toString(36)).join('-');
}

/** How far a stamp may be ahead of the kernel's clock for files, with a margin; milliseconds. */
const STAMP_AHEAD_MS = 1000n;

/**
 * `lastModified` is when the content came to this place. That is the ctime: a file that was moved in keeps the mtime of
 * its origin, which may be of another clock. The mtime is more precise for files that this store wrote.
 */
export function infoOf(key: string, found: BigIntStats): ObjectInfo {
  const ahead = found.mtimeMs - found.ctimeMs;
  const time = ahead > 0n && ahead < STAMP_AHEAD_MS ? found.mtimeMs : found.ctimeMs;
  return { key, etag: etagOf(found), size: Number(found.size), lastModified: new Date(Number(time)) };
}

/** Checks the conditions of a read before its first byte. */
export async function checkConditions(
  handle: FileHandle,
  key: string,
  { etag, maxBytes, signal }: GetOptions,
): Promise<BigIntStats> {
  signal?.throwIfAborted();
  const found = await handle.stat({ bigint: true });
  if (etag !== undefined && etag !== etagOf(found)) throw objectChanged(key);
  if (maxBytes !== undefined && found.size > maxBytes) {
    throw new AppError('IMAGE_TOO_LARGE', `the object has ${found.size} bytes; the limit is ${maxBytes}`);
  }
  return found;
}

export function objectChanged(key: string): AppError {
  return new AppError('OBJECT_CHANGED', `the object ${JSON.stringify(key)} was replaced in the meantime`);
}
