import { createFileStore } from './folder/folder.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * @param location `file:<folder>` or `s3://<bucket>`
 * @param endpoint address of an S3-compatible server; for `s3://` only
 * @param publicEndpoint address of the same server for clients
 * @throws AppError STORE_UNAVAILABLE if the folder cannot be created
 */
export async function createStore(
  location: string,
  endpoint?: string,
  publicEndpoint?: string,
): Promise<ObjectStore> {
  const bucket = /^s3:\/\/([^/]+)$/.exec(location)?.[1];
  if (!bucket) return createFileStore(location);
  // The AWS SDK takes 0.3 s to load.
  const { createS3Store } = await import('./s3/s3.ts');
  return createS3Store(bucket, endpoint ? { endpoint, publicEndpoint } : {});
}
