import type { Readable } from 'node:stream';

/** What a listing or a head request says of an object. `etag` changes whenever the content does. */
export interface ObjectInfo {
  readonly key: string;
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  readonly lastModified: Date;
}

/** Conditions for a write; a failed one throws AppError CONFLICT. */
interface PutOptions {
  readonly contentType?: string;
  /** Write only if nothing is there yet. */
  readonly ifAbsent?: boolean;
}

/** Conditions for a read. */
export interface GetOptions {
  /** Read only this version; throws AppError OBJECT_CHANGED when the object has another etag now. */
  readonly etag?: string;
  /** Throws AppError IMAGE_TOO_LARGE before reading more than this many bytes. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/**
 * The store is the only database: what people drop, what jobs ask, and every result is an object in it.
 * Keys are any unicode up to 1,024 bytes of UTF-8 with `/` as separator and round-trip exactly.
 * Missing objects throw AppError OBJECT_NOT_FOUND; a store that cannot be reached after retries throws STORE_UNAVAILABLE.
 * Writes are atomic: a reader sees the old content or the new, never a part.
 */
export interface ObjectStore {
  /** `s3://bucket` or `file:///path`, for messages and for the worker's environment. */
  readonly uri: string;
  get(key: string, options?: GetOptions): Promise<Buffer>;
  /** The same as a stream, for what need not fit in memory. */
  read(key: string, options?: GetOptions): Promise<Readable>;
  head(key: string): Promise<ObjectInfo>;
  put(key: string, body: string | Uint8Array | Readable, options?: PutOptions): Promise<ObjectInfo>;
  /** Every object under `prefix`, in the order of the keys' UTF-8 bytes, a page at a time, from `startAfter` (exclusive). */
  list(
    prefix: string,
    options?: { readonly startAfter?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<ObjectInfo>;
  /** No error when it is not there. */
  delete(key: string): Promise<void>;
  /**
   * Tells each object under `prefix` once it has come or changed and is complete; absent where a store cannot tell and has
   * to be listed. `ignored` is asked for each part of a key. A new folder is told as its key with a slash behind: what came
   * into it before it was watched is told by nobody, and has to be listed.
   */
  watch?(
    prefix: string,
    ignored: (name: string) => boolean,
    onKey: (key: string) => void,
    onError: (error: unknown) => void,
  ): Promise<{ close(): Promise<void> }>;
}
