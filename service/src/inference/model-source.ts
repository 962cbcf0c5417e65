import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { modelFolders } from '../../../models/folders.ts';
import type { Manifest } from '../../../models/manifest.ts';
import { AppError } from '../domain/errors.ts';

/** Opens the store `s3://<bucket>`; only `read` is needed. */
export type OpenBucket = (uri: string) => Promise<{ read(key: string): Promise<Readable> }>;

type File = Manifest['source']['files'][number];

/**
 * Returns the folder that holds `manifest.source.files`. Files in a bucket are fetched into the cache and verified; files
 * in the manifest's folder are verified; set-up has verified those of an npm package.
 *
 * @param folder of the manifest
 * @throws AppError INVALID_MODEL that names the file, STORE_UNAVAILABLE
 */
export async function ensureSource(
  manifest: Manifest,
  folder: string,
  cacheDir: string,
  openBucket?: OpenBucket,
): Promise<string> {
  const { npm, s3, files } = manifest.source;
  const cached = modelFolders(cacheDir, manifest).source;
  if (npm !== undefined) return cached;
  if (s3 !== undefined) {
    await fetchMissing(s3, cached, files, openBucket);
    return cached;
  }
  for (const file of files) {
    const fault = await inspect(folder, file);
    if (fault !== undefined) {
      const message = `model ${manifest.name}: ${fault} (${folder}): restore the file or correct /source/files`;
      throw new AppError('INVALID_MODEL', message);
    }
  }
  return folder;
}

async function fetchMissing(
  s3: string,
  folder: string,
  files: readonly File[],
  openBucket: OpenBucket | undefined,
): Promise<void> {
  const [, bucket = '', prefix = ''] = /^(s3:\/\/[^/]+)\/(.*)$/.exec(s3) ?? [];
  let objects: Awaited<ReturnType<OpenBucket>> | undefined;
  for (const file of files) {
    if ((await inspect(folder, file)) === undefined) continue;
    if (!openBucket)
      throw new AppError('INVALID_MODEL', `${s3} cannot be read: this program has no access to buckets`);
    objects ??= await openBucket(bucket);
    const target = join(folder, file.path);
    // Renamed once it is complete and verified: two processes may share the cache.
    const draft = `${target}.${randomUUID()}`;
    await mkdir(dirname(target), { recursive: true });
    try {
      const body = await objects.read(`${prefix}${file.path}`);
      await pipeline(body, bounded(file), createWriteStream(draft));
      const fault = await inspect(folder, { ...file, path: `${file.path}${draft.slice(target.length)}` });
      if (fault !== undefined) {
        const what = fault.slice(fault.indexOf(' ') + 1);
        throw new AppError('INVALID_MODEL', `${s3}${file.path} does not match the manifest: it ${what}`);
      }
      await rename(draft, target);
    } catch (error) {
      if (error instanceof AppError && error.code === 'OBJECT_NOT_FOUND') {
        throw new AppError('INVALID_MODEL', `${s3}${file.path} does not exist`, {}, { cause: error });
      }
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
  }
}

/** Aborts a download that is longer than the manifest says. */
const bounded = ({ path, bytes }: File) =>
  async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let received = 0;
    for await (const chunk of source) {
      received += chunk.length;
      if (received > bytes) {
        throw new AppError('INVALID_MODEL', `${path} is longer than the ${bytes} bytes of the manifest`);
      }
      yield chunk;
    }
  };

/** @returns the fault of a file, beginning with its path; undefined if it matches the manifest */
async function inspect(folder: string, { path, bytes, sha256 }: File): Promise<string | undefined> {
  const file = join(folder, path);
  const size = (await stat(file).catch(() => undefined))?.size;
  if (size === undefined) return `${path} is missing`;
  if (size !== bytes) return `${path} has ${size} bytes instead of ${bytes}`;
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex') === sha256 ? undefined : `${path} has another SHA-256 hash`;
}
