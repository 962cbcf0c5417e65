import { CommandError } from '../failure.ts';
import type { ServiceClient } from './service-client.ts';

/** Bytes that one request may carry. */
export interface ServiceLimits {
  /** An image as a request body. */
  readonly imageBytes?: number;
  readonly formBytes?: number;
  /** An image by POST /uploads; absent in services without it. */
  readonly uploadBytes?: number;
}

/** The limits of the service; on Lambda it accepts far less than elsewhere. Empty if it has no page and so does not state them. */
export async function readLimits(client: ServiceClient): Promise<ServiceLimits> {
  try {
    const { limits } = await client.json<{ limits: ServiceLimits }>('/web/settings.json', 'limits');
    return limits;
  } catch (error) {
    if (error instanceof CommandError && error.code === 'NOT_FOUND') return {};
    throw error;
  }
}

/** True if a file is over the limit of a request, and POST /uploads accepts more than that. */
export const needsUpload = (
  bytes: number,
  requestBytes = Number.POSITIVE_INFINITY,
  uploadBytes = 0,
): boolean => bytes > requestBytes && uploadBytes > requestBytes;

/** Puts an image into the store. @returns its key */
export async function uploadImage(
  client: ServiceClient,
  image: Uint8Array<ArrayBuffer> | Blob,
  name?: string,
): Promise<string> {
  const { key, url, headers } = await client.json<{
    readonly key: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
  }>('/uploads', 'key', {
    method: 'POST',
    json: { size: image instanceof Blob ? image.size : image.length, name },
  });
  await client.upload(url, headers, image);
  return key;
}
