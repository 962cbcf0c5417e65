import { AppError } from '../../domain/errors.ts';

/** Minimum length of a string that is cut out, in bytes: longer than any name, key or category. */
const MIN_CUT = 4096;
/** Length of the head that remains, in bytes: enough to recognise the string in an error message. */
const HEAD = 128;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/**
 * Cuts long strings (base64 images) out of a JSON text, so that the rest is small enough for JSON.parse on the main thread: 30 MB of
 * tokens block it for more than a second. Its head, a NUL and its index in `longStrings` replace each; see longStringOf.
 *
 * @param json UTF-8
 * @param maxRest maximum bytes of everything else
 * @param longStrings receives the cut strings, as bytes
 * @throws AppError PAYLOAD_TOO_LARGE
 */
export function cutLongStrings(json: Buffer, maxRest: number, longStrings: Buffer[]): string {
  const pieces: Buffer[] = [];
  let kept = 0;
  let rest = json.length;
  for (let open = json.indexOf(QUOTE); open >= 0; ) {
    const close = endOfString(json, open);
    if (close < 0) break;
    const text = close - open > MIN_CUT ? unescaped(json.subarray(open + 1, close)) : undefined;
    if (text) {
      const place = `${text.toString('latin1', 0, HEAD).replace(/[^ -~]/g, '?')}\\u0000${longStrings.length}`;
      pieces.push(json.subarray(kept, open + 1), Buffer.from(place));
      longStrings.push(text);
      kept = close;
      rest -= close - open - 1;
    }
    open = json.indexOf(QUOTE, close + 1);
  }
  if (rest > maxRest) {
    const message = `the JSON has more than ${maxRest} bytes besides its images; send fewer rows, or text/csv`;
    throw new AppError('PAYLOAD_TOO_LARGE', message);
  }
  if (pieces.length === 0) return json.toString('utf8');
  pieces.push(json.subarray(kept));
  return Buffer.concat(pieces).toString('utf8');
}

/** The string that `text` replaces, or `text` itself. */
export function longStringOf(text: string, longStrings: readonly Buffer[] | undefined): string | Buffer {
  const at = text.lastIndexOf('\0');
  return at < 0 ? text : (longStrings?.[Number(text.slice(at + 1))] ?? text);
}

/** Index of the closing quote of the string that begins at `open`, or -1. */
function endOfString(json: Buffer, open: number): number {
  for (let close = json.indexOf(QUOTE, open + 1); close >= 0; close = json.indexOf(QUOTE, close + 1)) {
    let backslashes = 0;
    while (json[close - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return close;
  }
  return -1;
}

/** The bytes of a string whose only escape is `\/`, as some encoders write base64; undefined for all others. */
function unescaped(text: Buffer): Buffer | undefined {
  if (!text.includes(BACKSLASH)) return text;
  const plain = Buffer.from(text.toString('latin1').replaceAll('\\/', '/'), 'latin1');
  return plain.includes(BACKSLASH) ? undefined : plain;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Strings cut out of a JSON body. */
    longStrings?: readonly Buffer[];
  }
}
