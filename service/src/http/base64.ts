import { AppError } from '../domain/errors.ts';

/** Longest `data:…;base64,` that is looked for, in characters. */
export const MAX_DATA_URL_PREFIX = 256;

const DATA_URL = /^data:[\w.+-]+\/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,/;

/**
 * The bytes of a base64 text (RFC 4648, standard alphabet, padded), with or without a `data:` URL around it.
 * Node skips what is not base64; here it is an error, so that a mangled upload is not taken for a broken picture.
 *
 * @throws AppError INVALID_REQUEST
 */
export function decodeBase64(text: string): Buffer {
  const prefix = text.startsWith('data:') ? DATA_URL.exec(text.slice(0, MAX_DATA_URL_PREFIX))?.[0] : '';
  if (prefix === undefined) {
    throw new AppError(
      'INVALID_REQUEST',
      'body image is a data: URL, but not of the form data:<type>;base64,<data>',
    );
  }
  const payload = prefix === '' ? text : text.slice(prefix.length);
  const bytes = Buffer.from(payload, 'base64');
  const padding = payload.endsWith('==') ? 2 : payload.endsWith('=') ? 1 : 0;
  // Characters that Node skipped leave fewer bytes than the length promises; `-` and `_` it takes for `+` and `/`.
  const isExact = payload.length % 4 === 0 && bytes.length === (payload.length / 4) * 3 - padding;
  if (!isExact || payload.includes('-') || payload.includes('_')) {
    throw new AppError(
      'INVALID_REQUEST',
      'body image is not valid base64 (standard alphabet, padded, no line breaks)',
    );
  }
  return bytes;
}
