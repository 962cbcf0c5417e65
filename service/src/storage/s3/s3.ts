import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import pRetry from 'p-retry';
import { checkKey } from '../../domain/keys.ts';
import type { GetOptions, ObjectInfo, ObjectStore } from '../object-store.ts';
import { bodyOf, destroyWhenIdle, readBody } from './body.ts';
import { isBrokenBody, isConditionalConflict, mapErrors, toAppError } from './errors.ts';
import { createS3Uploads } from './uploads.ts';

export interface S3Options {
  /** Address of an S3-compatible server, which gets path-style requests. */
  readonly endpoint?: string;
  /** The same server's address for clients; without it, clients reach AWS, but no server of `endpoint`. */
  readonly publicEndpoint?: string | undefined;
  /** Timeout for the next byte of a response, in milliseconds. */
  readonly idleTimeoutMs?: number;
  /** Timeout for a whole get, put, head, delete or page of a listing, in milliseconds. */
  readonly requestTimeoutMs?: number;
  /** Attempts of each request, with exponential backoff and jitter (the SDK's standard mode). */
  readonly maxAttempts?: number;
}

/** For what the SDK does not retry. About 0.1, 0.2 and 0.4 s. */
const BACKOFF = { retries: 3, minTimeout: 75, factor: 2, randomize: true };

const PRESIGNED_SECONDS = 15 * 60;

const PART_BYTES = 8 * 1024 * 1024;

/**
 * An object store in an S3 bucket, on AWS or a compatible server. Credentials and region come from the SDK's default
 * chain.
 *
 * @param bucket its name
 */
export function createS3Store(bucket: string, options: S3Options = {}): ObjectStore {
  const idleTimeoutMs = options.idleTimeoutMs ?? 20_000;
  const requestTimeoutMs = options.requestTimeoutMs ?? 120_000;
  const settings: S3ClientConfig = {
    maxAttempts: options.maxAttempts ?? 5,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: idleTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: idleTimeoutMs,
      httpAgent: { maxSockets: 64, keepAlive: true },
      httpsAgent: { maxSockets: 64, keepAlive: true },
    },
    // Not every compatible server supports the optional checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  };
  const clientOf = (endpoint?: string) =>
    new S3Client({ ...settings, ...(endpoint ? { endpoint, forcePathStyle: true } : {}) });
  const client = clientOf(options.endpoint);
  const publicClient = options.endpoint ? options.publicEndpoint && clientOf(options.publicEndpoint) : client;

  const deadline = (signal?: AbortSignal) => {
    const timeout = AbortSignal.timeout(requestTimeoutMs);
    return { abortSignal: signal ? AbortSignal.any([signal, timeout]) : timeout };
  };

  async function open(key: string, { etag, maxBytes }: GetOptions, http: { abortSignal?: AbortSignal }) {
    const IfMatch = etag ? { IfMatch: `"${etag}"` } : {};
    return bodyOf(
      await client.send(new GetObjectCommand({ Bucket: bucket, Key: checkKey(key), ...IfMatch }), http),
      maxBytes,
    );
  }

  async function putBytes(input: PutObjectCommandInput, bytes: Uint8Array): Promise<string | undefined> {
    const send = () => client.send(new PutObjectCommand({ ...input, Body: bytes }), deadline());
    const shouldRetry = ({ error }: { error: Error }) => isConditionalConflict(error);
    return (await pRetry(send, { ...BACKOFF, shouldRetry })).ETag;
  }

  /** The length is unknown in advance: uploads parts, with at most two of them in memory. */
  async function putStream(input: PutObjectCommandInput, stream: Readable) {
    let size = 0;
    stream.on('data', (part: Buffer | string) => {
      size += Buffer.byteLength(part);
    });
    // Listening to 'data' starts the flow.
    stream.pause();
    const params = { ...input, Body: stream };
    const { ETag } = await new Upload({ client, params, partSize: PART_BYTES, queueSize: 2 }).done();
    return { size, ETag };
  }

  return {
    uri: `s3://${bucket}`,
    ...(publicClient ? { uploads: createS3Uploads(publicClient, bucket) } : {}),

    async get(key, options = {}) {
      const { maxBytes, signal } = options;
      try {
        return await pRetry(
          async () => readBody(await open(key, options, deadline(signal)), maxBytes, idleTimeoutMs),
          {
            ...BACKOFF,
            shouldRetry: ({ error }) => isBrokenBody(error),
            ...(signal ? { signal } : {}),
          },
        );
      } catch (error) {
        signal?.throwIfAborted();
        throw toAppError(error, 'read', key);
      }
    },

    read: (key, options = {}) =>
      mapErrors('read', key, async () => {
        const { stream } = await open(key, options, options.signal ? { abortSignal: options.signal } : {});
        return destroyWhenIdle(stream, idleTimeoutMs);
      }),

    head: (key) =>
      mapErrors('read', key, async () => {
        const command = new HeadObjectCommand({ Bucket: bucket, Key: checkKey(key) });
        const { ETag, ContentLength: Size, LastModified } = await client.send(command, deadline());
        return infoOf(key, { ETag, Size, LastModified });
      }),

    put: (key, body, options = {}) =>
      mapErrors('write', key, async () => {
        const input = {
          Bucket: bucket,
          Key: checkKey(key),
          ...(options.contentType ? { ContentType: options.contentType } : {}),
          ...(options.ifAbsent ? { IfNoneMatch: '*' } : {}),
        };
        if (body instanceof Readable) {
          const { size: Size, ETag } = await putStream(input, body);
          return infoOf(key, { ETag, Size, LastModified: new Date() });
        }
        const bytes = typeof body === 'string' ? Buffer.from(body) : body;
        const ETag = await putBytes(input, bytes);
        return infoOf(key, { ETag, Size: bytes.length, LastModified: new Date() });
      }),

    async *list(prefix, options = {}) {
      let token: string | undefined;
      do {
        const start = token ? { ContinuationToken: token } : { StartAfter: options.startAfter || undefined };
        // `EncodingType`: XML cannot hold every character of a key.
        const command = new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          EncodingType: 'url',
          ...start,
        });
        const page = await mapErrors('list', prefix, () => client.send(command, deadline(options.signal)));
        for (const { Key = '', ...found } of page.Contents ?? []) {
          // Some compatible servers do not encode keys; their response then has no EncodingType.
          yield infoOf(page.EncodingType === 'url' ? decodeListedKey(Key) : Key, found);
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (token);
    },

    presign: (key, { contentType, contentEncoding }) => {
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: checkKey(key),
        ResponseContentType: contentType,
        ...(contentEncoding ? { ResponseContentEncoding: contentEncoding } : {}),
      });
      return mapErrors('read', key, () => getSignedUrl(client, command, { expiresIn: PRESIGNED_SECONDS }));
    },

    delete: (key) =>
      mapErrors('delete', key, async () => {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: checkKey(key) }), deadline());
      }),
  };
}

interface Found {
  readonly ETag?: string | undefined;
  readonly Size?: number | undefined;
  readonly LastModified?: Date | undefined;
}

/** S3 quotes etags in responses but not in events; here they are never quoted. */
function infoOf(key: string, { ETag = '', Size = 0, LastModified = new Date(0) }: Found): ObjectInfo {
  return { key, etag: ETag.replaceAll('"', ''), size: Size, lastModified: LastModified };
}

/** Listings are form-encoded: `+` is a space. */
function decodeListedKey(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}
