import { AppError } from './errors.ts';

/** What people drop lies under this prefix. */
export const INPUT_PREFIX = 'input/';
/** What clients upload by a URL of POST /uploads lies under this prefix, out of sight of the drop. */
export const UPLOADS_PREFIX = 'uploads/';
/** Days until an object under UPLOADS_PREFIX expires. */
export const UPLOAD_DAYS = 2;
const URL_UPLOAD = /^uploads\/[0-9a-f]{32}\/./s;
export const OUTPUT_PREFIX = 'output/';
/** S3's limit for a key, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;
/** Where a form keeps its files: `jobs/<jobId>/uploads/<request>/<name>`, out of sight of the drop. */
const FORM_UPLOAD = /^jobs\/([A-Za-z0-9_-]{1,128})\/uploads\/[0-9a-f]{16}\/(.+)$/s;

/**
 * Compares keys as S3 orders them: by the bytes of their UTF-8. (JavaScript's `<` compares UTF-16 units, which puts
 * characters beyond U+FFFF before U+E000..U+FFFF.)
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return utf8Rank(x) - utf8Rank(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above the rest of the basic plane: then UTF-16 units compare as UTF-8 bytes do. */
function utf8Rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/**
 * Returns `key` if an object can have it: 1-1,024 bytes of well-formed unicode.
 *
 * @throws AppError INVALID_REQUEST
 */
export function checkKey(key: string): string {
  const bytes = Buffer.byteLength(key);
  if (bytes < 1 || bytes > MAX_KEY_BYTES) {
    throw new AppError('INVALID_REQUEST', `a key has 1 to ${MAX_KEY_BYTES} bytes; this one has ${bytes}`);
  }
  if (/\p{Surrogate}/u.test(key)) {
    throw new AppError(
      'INVALID_REQUEST',
      'a key must be well-formed unicode; this one holds half a surrogate pair',
    );
  }
  return key;
}

/** The key of an upload. @param id 32 hexadecimal digits @throws AppError INVALID_REQUEST */
export const uploadKey = (id: string, path: string): string => checkKey(`${UPLOADS_PREFIX}${id}/${path}`);

/**
 * The key that a request means: `input/a.jpg`, or the same with the store's own address before it
 * (`s3://bucket/input/a.jpg`). Anything outside `input/` and any other address is refused, so that a request can
 * neither reach other services nor read what is not meant for it.
 *
 * @param storeUri the configured store's address, e.g. `s3://bucket`
 * @throws AppError INVALID_REQUEST
 */
export function parseInputKey(text: string, storeUri: string): string {
  const key = withoutStore(text, storeUri);
  if (!key.startsWith(INPUT_PREFIX)) {
    const hint = /^[a-z0-9+.-]+:\/\//i.test(key)
      ? 'only the configured store is read'
      : `got ${JSON.stringify(shorten(key))}`;
    throw new AppError('INVALID_REQUEST', `keys and prefixes start with "${INPUT_PREFIX}": ${hint}`);
  }
  return checkKey(key);
}

/**
 * The key of one object that a request means: as parseInputKey, or that of an upload. A prefix of uploads would reach those
 * of other clients.
 *
 * @throws AppError INVALID_REQUEST
 */
export function parseObjectKey(text: string, storeUri: string): string {
  const key = withoutStore(text, storeUri);
  return URL_UPLOAD.test(key) ? checkKey(key) : parseInputKey(text, storeUri);
}

function withoutStore(text: string, storeUri: string): string {
  const own = `${storeUri}/`;
  return text.startsWith(own) ? text.slice(own.length) : text;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/**
 * Where the result of one input goes: `input/a/b.jpg` -> `output/a/b.jpg.json`; an uploaded file's result stays
 * with its job (`jobs/<id>/uploads/<request>/b.jpg` -> `jobs/<id>/outputs/b.jpg.json`). Undefined for any other key, and when
 * the result's key would be longer than a key can be (the row in the job's results is then the only place).
 */
export function outputKey(inputKey: string): string | undefined {
  let output: string | undefined;
  if (inputKey.startsWith(INPUT_PREFIX)) {
    output = `${OUTPUT_PREFIX}${inputKey.slice(INPUT_PREFIX.length)}.json`;
  } else {
    const upload = FORM_UPLOAD.exec(inputKey);
    if (upload) output = `jobs/${upload[1]}/outputs/${upload[2]}.json`;
  }
  return output !== undefined && Buffer.byteLength(output) <= MAX_KEY_BYTES ? output : undefined;
}

/** The input that `output/<path>.json` belongs to; undefined for any other key. */
export function inputOfOutput(output: string): string | undefined {
  if (!output.startsWith(OUTPUT_PREFIX) || !output.endsWith('.json')) return undefined;
  return INPUT_PREFIX + output.slice(OUTPUT_PREFIX.length, -'.json'.length);
}

/** "Folders" that S3 consoles make: keys that end with a slash hold nothing to classify. */
export function isFolderMarker(key: string): boolean {
  return key.endsWith('/');
}
