import type { Client, ClientOptions } from 'openapi-fetch';
import type { components, operations, paths } from './schema.js';

export type { components, operations, paths };

/** The body of every error: RFC 9457 problem details with a stable `code`. */
export type Problem = components['schemas']['Problem'];

/**
 * A client of one server. Each call answers `{ data, error, response }` and throws only when the server cannot be reached.
 *
 * Files are Blobs: `{ body: { image: file } }` is sent as a form; `{ body: file, headers: { 'Content-Type': file.type } }`
 * as it is. Answers other than JSON need `parseAs`: `text` (CSV, JSON Lines, metrics), `blob` (PNG) or `stream`.
 */
export declare function createClient(
  options: ClientOptions & { baseUrl: string; apiKey?: string | undefined },
): Client<paths>;

export declare function serializeBody(body: unknown): BodyInit | undefined;
