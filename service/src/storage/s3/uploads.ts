import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { checkKey } from '../../domain/keys.ts';
import type { UploadGrant, Uploads } from '../object-store.ts';
import { mapErrors } from './errors.ts';

/** The signature covers these headers, so S3 refuses another size, another type and a write over an object. */
const SIGNED_HEADERS = new Set(['host', 'content-length', 'content-type', 'if-none-match']);

/**
 * Presigned PUTs. A POST policy could be used again until it expires; here `If-None-Match: *` is signed, so that the second
 * use of a URL fails.
 *
 * @param client its endpoint must be the address that clients use
 */
export function createS3Uploads(client: S3Client, bucket: string): Uploads {
  const sign = ({ key, size, type, expiresInSeconds }: UploadGrant) =>
    mapErrors('write', key, async () => {
      const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner');
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: checkKey(key),
        ContentLength: size,
        ContentType: type,
        IfNoneMatch: '*',
      });
      return getSignedUrl(client, command, {
        expiresIn: expiresInSeconds,
        signableHeaders: SIGNED_HEADERS,
        unhoistableHeaders: new Set(['if-none-match']),
      });
    });
  let origin: string | undefined;
  return {
    sign: async (grant) => ({
      url: await sign(grant),
      headers: { 'content-type': grant.type, 'if-none-match': '*' },
    }),
    async origin() {
      origin ??= new URL(await sign({ key: 'any', size: 1, type: 'image/jpeg', expiresInSeconds: 1 })).origin;
      return origin;
    },
  };
}
