import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { AppError } from '../../domain/errors.ts';

export interface ObjectBody {
  readonly stream: Readable;
  /** Bytes; undefined if the server does not say. */
  readonly size: number | undefined;
}

/** @throws AppError IMAGE_TOO_LARGE before the first byte is read */
export function bodyOf(output: GetObjectCommandOutput, maxBytes: number | undefined): ObjectBody {
  const { Body: stream, ContentLength: size } = output;
  if (!(stream instanceof Readable)) {
    throw new AppError('INTERNAL', 'the SDK returned a body that is not a Node stream');
  }
  if (maxBytes !== undefined && size !== undefined && size > maxBytes) {
    stream.destroy();
    throw new AppError('IMAGE_TOO_LARGE', `the object has ${size} bytes; the limit is ${maxBytes}`);
  }
  return { stream, size };
}

/**
 * Reads a whole body.
 *
 * @throws AppError IMAGE_TOO_LARGE; Error `IncompleteBody` if it ends early, `TimeoutError` if no byte arrives in time
 */
export async function readBody(
  { stream, size }: ObjectBody,
  maxBytes: number | undefined,
  idleTimeoutMs: number,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const idle = startIdleTimer(stream, idleTimeoutMs);
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      idle.refresh();
      bytes += part.length;
      if (maxBytes !== undefined && bytes > maxBytes) {
        throw new AppError('IMAGE_TOO_LARGE', `the object has more than ${maxBytes} bytes`);
      }
      parts.push(part);
    }
  } finally {
    clearTimeout(idle);
    stream.destroy();
  }
  if (size !== undefined && bytes !== size) {
    const message = `the body ended after ${bytes} of ${size} bytes`;
    throw Object.assign(new Error(message), { name: 'IncompleteBody' });
  }
  return Buffer.concat(parts, bytes);
}

/** Destroys a stream if the next byte does not arrive in time: the timeouts of a socket end with the headers. */
export function destroyWhenIdle(stream: Readable, idleTimeoutMs: number): Readable {
  const idle = startIdleTimer(stream, idleTimeoutMs);
  stream.on('data', () => idle.refresh());
  // Listening to 'data' starts the flow.
  stream.pause();
  return stream.once('close', () => clearTimeout(idle));
}

function startIdleTimer(stream: Readable, idleTimeoutMs: number): NodeJS.Timeout {
  const error = Object.assign(new Error(`no byte in ${idleTimeoutMs} ms`), { name: 'TimeoutError' });
  return setTimeout(() => stream.destroy(error), idleTimeoutMs);
}
