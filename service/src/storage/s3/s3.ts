import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { AppError } from '../../domain/errors.ts';
import { checkKey } from '../../domain/keys.ts';
import type { GetOptions, ObjectStore } from '../object-store.ts';
import { isBrokenBody, type S3Operation, toAppError } from './errors.ts';

export interface S3Options {
  /** An S3-compatible server: addressed path-style. */
  readonly endpoint?: string;
  /** Longest wait for the next byte of an answer, milliseconds. */
  readonly idleTimeoutMs?: number;
  /** Longest time for a whole small request (get, put), milliseconds. */
  readonly requestTimeoutMs?: number;
  /** Tries of each request, the first included; waits between them grow and are random (SDK's standard mode). */
  readonly maxAttempts?: number;
}

/** Tries of reading a whole body, each with the SDK's own retries of the request inside. */
const BODY_ATTEMPTS = 4;

/**
 * An object store in an S3 bucket, at AWS or on a compatible server. Credentials and region come from the SDK's own chain.
 *
 * @param bucket its name
 */
export function createS3Store(bucket: string, options: S3Options = {}): ObjectStore {
  const idleTimeoutMs = options.idleTimeoutMs ?? 20_000;
  const requestTimeoutMs = options.requestTimeoutMs ?? 120_000;
  const client = new S3Client({
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
    // Checksums beyond what each operation demands are not understood by every compatible server.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
  });

  const bounded = (signal?: AbortSignal) => {
    const timeout = AbortSignal.timeout(requestTimeoutMs);
    return signal ? AbortSignal.any([signal, timeout]) : timeout;
  };

  async function open(key: string, { etag, maxBytes }: GetOptions, abortSignal: AbortSignal | undefined) {
    const answer = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: checkKey(key), ...(etag ? { IfMatch: `"${etag}"` } : {}) }),
      abortSignal ? { abortSignal } : {},
    );
    const body = bodyOf(answer);
    const size = answer.ContentLength;
    if (maxBytes !== undefined && size !== undefined && size > maxBytes) {
      body.destroy();
      throw new AppError('IMAGE_TOO_LARGE', `the object has ${size} bytes; at most ${maxBytes} are read`);
    }
    return { body, size };
  }

  async function getOnce(key: string, options: GetOptions): Promise<Buffer> {
    const signal = bounded(options.signal);
    const { body, size } = await open(key, options, signal);
    const parts: Buffer[] = [];
    let bytes = 0;
    const idle = idleGuard(body, idleTimeoutMs);
    try {
      for await (const part of body as AsyncIterable<Buffer>) {
        idle.refresh();
        bytes += part.length;
        if (options.maxBytes !== undefined && bytes > options.maxBytes) {
          throw new AppError('IMAGE_TOO_LARGE', `the object has more than ${options.maxBytes} bytes`);
        }
        parts.push(part);
      }
    } finally {
      clearTimeout(idle);
      body.destroy();
    }
    if (size !== undefined && bytes !== size) {
      throw Object.assign(new Error(`the body ended after ${bytes} of ${size} bytes`), {
        name: 'IncompleteBody',
      });
    }
    return Buffer.concat(parts, bytes);
  }

  return {
    uri: `s3://${bucket}`,

    async get(key, options = {}) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await getOnce(key, options);
        } catch (error) {
          options.signal?.throwIfAborted();
          if (attempt >= BODY_ATTEMPTS || !isBrokenBody(error)) throw toAppError(error, 'read', key);
          await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt * (0.5 + Math.random())));
        }
      }
    },

    read: (key, options = {}) =>
      translated('read', key, async () => {
        const { body } = await open(key, options, options.signal);
        const idle = idleGuard(body, idleTimeoutMs);
        body.on('data', () => idle.refresh());
        body.pause();
        body.once('close', () => clearTimeout(idle));
        return body;
      }),

    head: (key) =>
      translated('read', key, async () => {
        const answer = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: checkKey(key) }), {
          abortSignal: bounded(),
        });
        return {
          key,
          etag: unquote(answer.ETag),
          size: answer.ContentLength ?? 0,
          lastModified: answer.LastModified ?? new Date(0),
        };
      }),

    put: (key, body, options = {}) =>
      translated('write', key, async () => {
        const common = {
          Bucket: bucket,
          Key: checkKey(key),
          ...(options.contentType ? { ContentType: options.contentType } : {}),
          ...(options.ifAbsent ? { IfNoneMatch: '*' } : {}),
        };
        if (body instanceof Readable) {
          let size = 0;
          body.on('data', (part: Buffer | string) => {
            size += Buffer.byteLength(part);
          });
          body.pause();
          // Of unknown length: in parts of 8 MiB, at most two of them in memory.
          const upload = new Upload({
            client,
            params: { ...common, Body: body },
            partSize: 8 * 1024 * 1024,
            queueSize: 2,
          });
          const { ETag } = await upload.done();
          return { key, etag: unquote(ETag), size, lastModified: new Date() };
        }
        const bytes = typeof body === 'string' ? Buffer.from(body) : body;
        for (let attempt = 1; ; attempt++) {
          try {
            const answer = await client.send(new PutObjectCommand({ ...common, Body: bytes }), {
              abortSignal: bounded(),
            });
            return { key, etag: unquote(answer.ETag), size: bytes.length, lastModified: new Date() };
          } catch (error) {
            // 409: two conditional writes at once; S3 asks the loser to try again, to see what became of the other.
            const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
            if (status !== 409 || !options.ifAbsent || attempt >= BODY_ATTEMPTS) throw error;
            await new Promise((resolve) => setTimeout(resolve, 50 * attempt * (0.5 + Math.random())));
          }
        }
      }),

    async *list(prefix, options = {}) {
      let token: string | undefined;
      do {
        const page = await translated('list', prefix, () =>
          client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: prefix,
              // XML cannot hold every character of a key.
              EncodingType: 'url',
              ...(token
                ? { ContinuationToken: token }
                : options.startAfter
                  ? { StartAfter: options.startAfter }
                  : {}),
            }),
            { abortSignal: bounded(options.signal) },
          ),
        );
        for (const found of page.Contents ?? []) {
          yield {
            // Some compatible servers leave the keys as they are, and say so by leaving this out.
            key: page.EncodingType === 'url' ? decodeListedKey(found.Key ?? '') : (found.Key ?? ''),
            etag: unquote(found.ETag),
            size: found.Size ?? 0,
            lastModified: found.LastModified ?? new Date(0),
          };
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (token);
    },

    delete: (key) =>
      translated('delete', key, async () => {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: checkKey(key) }), {
          abortSignal: bounded(),
        });
      }),
  };
}

async function translated<T>(operation: S3Operation, what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toAppError(error, operation, what);
  }
}

/** Ends a body whose next byte does not come: sockets' own timeouts end with the headers. */
function idleGuard(body: Readable, idleTimeoutMs: number): NodeJS.Timeout {
  const fault = Object.assign(new Error(`no byte came for ${idleTimeoutMs} ms`), { name: 'TimeoutError' });
  return setTimeout(() => body.destroy(fault), idleTimeoutMs);
}

function bodyOf(answer: GetObjectCommandOutput): Readable {
  if (answer.Body instanceof Readable) return answer.Body;
  throw new AppError('INTERNAL', 'the SDK returned a body that is not a Node stream');
}

/** S3 puts etags in quotes in answers and leaves them bare in events; here they are always bare. */
function unquote(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}

/** Listings are form-encoded: `+` for a space, %XX for the rest. */
function decodeListedKey(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}
