import { createFileStore } from './folder/folder.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * The store that an address means.
 *
 * @param location `file:<folder>` or `s3://<bucket>`
 * @param endpoint address of an S3-compatible server, for `s3://`
 * @throws AppError STORE_UNAVAILABLE when a folder cannot be made
 */
export async function openStore(location: string, endpoint?: string): Promise<ObjectStore> {
  const bucket = /^s3:\/\/([^/]+)$/.exec(location)?.[1];
  if (!bucket) return createFileStore(location);
  // The SDK takes 0.3 s to load: only for those who use it.
  const { createS3Store } = await import('./s3/s3.ts');
  return createS3Store(bucket, endpoint ? { endpoint } : {});
}
