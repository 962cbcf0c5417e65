import type { Readable } from 'node:stream';

export interface ObjectInfo {
  readonly key: string;
  /** Identifies a version: it changes with every change of the content. Without quotes. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  /** When this version came into the store. S3-compatible servers can round it to seconds. */
  readonly lastModified: Date;
}

interface PutOptions {
  readonly contentType?: string;
  /** Create the object; if it exists, throw CONFLICT. Of several concurrent creators, exactly one succeeds. */
  readonly ifAbsent?: boolean;
}

export interface GetOptions {
  /** Read this version; if the object has another one, throw OBJECT_CHANGED. */
  readonly etag?: string;
  /** Throw IMAGE_TOO_LARGE before more than this many bytes are in memory. `read` compares the announced size only. */
  readonly maxBytes?: number;
  /** If it is aborted, the call rejects with the signal's reason or an AbortError, never with an AppError. */
  readonly signal?: AbortSignal;
}

/** What one upload may create. */
export interface UploadGrant {
  readonly key: string;
  /** Exact number of bytes. */
  readonly size: number;
  /** Media type. */
  readonly type: string;
  readonly expiresInSeconds: number;
}

interface SignedUpload {
  readonly url: string;
  /** Headers that the request must have. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Lets clients create objects without this process. */
export interface Uploads {
  /** Signs one PUT of exactly the granted object; a second one is refused, because the object exists. */
  sign(grant: UploadGrant): Promise<SignedUpload>;
  /** Origin of the URLs, e.g. `https://bucket.s3.eu-west-1.amazonaws.com`. */
  origin(): Promise<string>;
}

/**
 * The store is the only database: inputs, jobs and results are objects.
 *
 * - A key is 1 to 1,024 bytes of well-formed unicode, with `/` as separator. Keys round-trip exactly. Any other key is
 *   INVALID_REQUEST, and so is one that the store cannot hold (a folder is limited to names of files).
 * - A write is atomic: a reader gets the old content or the new, never a mixture. After it resolves, every read and
 *   listing sees it.
 * - A missing object is OBJECT_NOT_FOUND. If the store fails after its retries, that is STORE_UNAVAILABLE: retry the
 *   work later, and record nothing about the object.
 *
 * All of these errors are AppErrors.
 */
export interface ObjectStore {
  /** `s3://bucket` or `file:///path`. */
  readonly uri: string;
  /** Reads a whole object. */
  get(key: string, options?: GetOptions): Promise<Buffer>;
  /** Opens an object as a stream, which can fail later on. The caller must read it to its end or destroy it. */
  read(key: string, options?: GetOptions): Promise<Readable>;
  head(key: string): Promise<ObjectInfo>;
  /** Creates or replaces an object. A stream can have any length; it is not held in memory. */
  put(key: string, body: string | Uint8Array | Readable, options?: PutOptions): Promise<ObjectInfo>;
  /**
   * Lists the objects under `prefix` (any string, not only a folder) in the order of the UTF-8 bytes of their keys.
   * An object that is written or deleted during the listing may or may not be in it.
   *
   * @param options.startAfter only keys after this one
   */
  list(
    prefix: string,
    options?: { readonly startAfter?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<ObjectInfo>;
  /**
   * An address at which anyone can read an object for 15 minutes. Absent if the store has no server.
   *
   * @param headers the Content-Type and Content-Encoding of the response
   */
  presign?(
    key: string,
    headers: { readonly contentType: string; readonly contentEncoding?: string },
  ): Promise<string>;
  /** Deletes an object. If it does not exist, nothing happens. */
  delete(key: string): Promise<void>;
  /** Absent if clients cannot reach the store. */
  readonly uploads?: Uploads;
  /**
   * Reports objects under `prefix` that are new or have changed, once they are complete. Absent if the store sends no
   * notifications. Reports a new folder as `key/`; files already in it are not reported, so list it.
   *
   * @param ignored called with each segment of a key; true leaves the object, or everything in the folder, out
   */
  watch?(
    prefix: string,
    ignored: (name: string) => boolean,
    onKey: (key: string) => void,
    onError: (error: unknown) => void,
  ): Promise<{ close(): Promise<void> }>;
}
