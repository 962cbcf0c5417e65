/**
 * Keys as paths. A segment of a key (what lies between slashes) is the file's or folder's own name wherever the file
 * system can hold it, so that ordinary files are seen under their own names. What it cannot hold (an empty segment, `.`
 * and `..`, a NUL, more than 255 bytes) is written as one or more names that begin with `.key~`:
 *
 *     .key~+<base64url of the first 180 bytes>/.key~+<the next>/.key~=<the rest>
 *
 * The same form keeps an object whose plain name is taken by a folder (S3 can hold `a` and `a/b`, a file system cannot).
 *
 * Where the file system ignores case, letters of base64url would meet each other. There the form is `.key~y<hex of the
 * first 120 bytes>/.key~x<hex of the rest>`, and it also keeps an object whose plain name is taken by another spelling.
 */
const MARK = '.key~';
const MORE = `${MARK}+`;
const LAST = `${MARK}=`;
const HEX_MORE = `${MARK}y`;
const HEX_LAST = `${MARK}x`;
const MAX_NAME_BYTES = 255;
/** 180 bytes are 240 letters of base64url: with the mark, below 255. */
const PIECE = 180;
/** 120 bytes are 240 digits. */
const HEX_PIECE = 120;

/** Half-written files: beside the objects, on the same file system, under a name that no key maps to. */
export const TEMP_FOLDER = `${MARK}temp`;

/** The names, outermost first, that hold one segment. */
export function encodeSegment(segment: string): string[] {
  const plain =
    segment !== '' &&
    segment !== '.' &&
    segment !== '..' &&
    !segment.startsWith(MARK) &&
    !segment.includes('\0') &&
    Buffer.byteLength(segment) <= MAX_NAME_BYTES;
  return plain ? [segment] : escapeSegment(segment);
}

/** The escaped form, which every segment has. */
export function escapeSegment(segment: string): string[] {
  return piecesOf(segment, PIECE, 'base64url', MORE, LAST);
}

/** The escaped form for file systems that ignore case. */
export function hexSegment(segment: string): string[] {
  return piecesOf(segment, HEX_PIECE, 'hex', HEX_MORE, HEX_LAST);
}

function piecesOf(
  segment: string,
  size: number,
  encoding: 'base64url' | 'hex',
  more: string,
  last: string,
): string[] {
  const bytes = Buffer.from(segment);
  const names: string[] = [];
  let at = 0;
  for (; bytes.length - at > size; at += size)
    names.push(more + bytes.subarray(at, at + size).toString(encoding));
  names.push(last + bytes.subarray(at).toString(encoding));
  return names;
}

/** What one name on disk is: a whole segment, a piece of one (a folder that holds the rest), or nothing of ours. */
export type DecodedName =
  | { readonly kind: 'plain'; readonly bytes: Buffer }
  | { readonly kind: 'last'; readonly bytes: Buffer }
  | { readonly kind: 'more'; readonly bytes: Buffer }
  | { readonly kind: 'reserved' };

/** @param name a directory entry's name */
export function decodeName(name: string): DecodedName {
  if (!name.startsWith(MARK)) return { kind: 'plain', bytes: Buffer.from(name) };
  if (name.startsWith(LAST))
    return { kind: 'last', bytes: Buffer.from(name.slice(LAST.length), 'base64url') };
  if (name.startsWith(MORE))
    return { kind: 'more', bytes: Buffer.from(name.slice(MORE.length), 'base64url') };
  if (name.startsWith(HEX_LAST))
    return { kind: 'last', bytes: Buffer.from(name.slice(HEX_LAST.length), 'hex') };
  if (name.startsWith(HEX_MORE))
    return { kind: 'more', bytes: Buffer.from(name.slice(HEX_MORE.length), 'hex') };
  return { kind: 'reserved' };
}
