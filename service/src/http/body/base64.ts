import { setImmediate as turn } from 'node:timers/promises';
import { AppError } from '../../domain/errors.ts';

/** Maximum length of a `data:…;base64,` prefix, in characters. */
export const MAX_DATA_URL_PREFIX = 256;

const DATA_URL = /^data:[\w.+-]+\/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,/;

/** Characters to decode before yielding to the event loop, about 3 ms of work. A multiple of 4. */
const SLICE = 4 * 2 ** 20;

/**
 * The bytes of a base64 text (RFC 4648, standard alphabet, padded), with or without a `data:` URL around it.
 * Node skips invalid characters; here they are an error, so that a mangled upload is not reported as a damaged image.
 *
 * @throws AppError INVALID_REQUEST
 */
export async function decodeBase64(given: string | Buffer): Promise<Buffer> {
  const text = typeof given === 'string' ? Buffer.from(given) : given;
  const payload = text.subarray(prefixLength(text));
  const padding = payload.at(-1) !== 0x3d ? 0 : payload.at(-2) !== 0x3d ? 1 : 2;
  // Node accepts `-` and `_` as `+` and `/`.
  if (payload.length % 4 !== 0 || payload.includes('-') || payload.includes('_')) throw notBase64();
  const bytes = Buffer.allocUnsafe((payload.length / 4) * 3 - padding);
  let written = 0;
  for (let from = 0; from < payload.length; from += SLICE) {
    if (from > 0) await turn();
    const slice = payload.subarray(from, from + SLICE);
    written += bytes.write(slice.toString('latin1'), written, 'base64');
    // Skipped characters leave fewer bytes than the length implies.
    if (written !== Math.min(((from + slice.length) / 4) * 3, bytes.length)) throw notBase64();
  }
  return bytes;
}

function prefixLength(text: Buffer): number {
  if (!text.subarray(0, 5).equals(Buffer.from('data:'))) return 0;
  const prefix = DATA_URL.exec(text.toString('latin1', 0, MAX_DATA_URL_PREFIX))?.[0];
  if (prefix !== undefined) return prefix.length;
  throw new AppError(
    'INVALID_REQUEST',
    'body image is a data: URL without the form data:<type>;base64,<data>',
  );
}

const notBase64 = () =>
  new AppError(
    'INVALID_REQUEST',
    'body image is not valid base64 (standard alphabet, padded, no line breaks)',
  );
