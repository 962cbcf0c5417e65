import ky, { HTTPError, type Progress, TimeoutError } from 'ky';
import { CommandError, exitStatusOf, notReadable, unexpectedAnswer, unreachable } from '../failure.ts';

/** Until the headers of a response arrive, in milliseconds; the service's own limit is a little lower. */
const RESPONSE_TIMEOUT_MS = 90_000;
/** Until an upload to the store is complete, in milliseconds: as long as its URL is valid. */
const UPLOAD_TIMEOUT_MS = 900_000;
/** Attempts of one request, the first included. */
const MAX_ATTEMPTS = 6;
/** With a longer Retry-After, the command fails instead of waiting. */
const MAX_RETRY_AFTER_SECONDS = 30;
const RETRYABLE = [429, 502, 503, 504];

interface ServiceRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly searchParams?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: Uint8Array<ArrayBuffer> | FormData | Blob;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until the headers of the response must arrive. */
  readonly timeout?: number;
  /** The service has answered before and may be restarting: retry a refused connection. */
  readonly patient?: boolean;
  readonly onUpload?: (progress: Progress) => void;
  /** Follow a 303 to the store, without the key. */
  readonly fromStore?: boolean;
}

/** The service over HTTP, with retries; every failure is a CommandError. */
export interface ServiceClient {
  readonly url: string;
  /** A response with status 2xx, its body unread. */
  request(path: string, request?: ServiceRequest): Promise<Response>;
  /** The JSON of a response; without the property `member` it does not come from this service. */
  json<T>(path: string, member: string, request?: ServiceRequest): Promise<T>;
  /** Sends a file to a URL of POST /uploads, which can belong to another host: without the API key. */
  upload(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array<ArrayBuffer> | Blob,
  ): Promise<void>;
}

export interface ServiceClientOptions {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly signal: AbortSignal;
  /** What to do if the service is unreachable; ends the message. */
  readonly hint: string;
}

export function createServiceClient({ url, apiKey, signal, hint }: ServiceClientOptions): ServiceClient {
  const base = url.replace(/(?<!\/)\/+$/, '');
  const serviceHeaders = {
    accept: 'application/json, application/x-ndjson, application/problem+json',
    ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
  };

  /** @param isDone true for a refusal that means success */
  async function send(
    address: string,
    options: ServiceRequest,
    isDone: (status: number, attempts: number) => boolean = () => false,
  ): Promise<Response> {
    const { fromStore, onUpload, patient = false, timeout = RESPONSE_TIMEOUT_MS, ...rest } = options;
    const where = address.startsWith(base) ? base : new URL(address).origin;
    let attempts = 0;
    try {
      return await ky(address, {
        ...rest,
        // A redirect could carry the key and the images to another host.
        redirect: 'manual',
        signal,
        timeout,
        ...(onUpload === undefined ? {} : { onUploadProgress: onUpload }),
        hooks: { beforeRequest: [() => void attempts++] },
        retry: {
          limit: MAX_ATTEMPTS - 1,
          // A POST may be repeated: a batch carries an idempotency key.
          methods: ['get', 'post', 'put', 'delete'],
          statusCodes: RETRYABLE,
          afterStatusCodes: RETRYABLE,
          delay: (attempt) => 250 * 2 ** (attempt - 1),
          jitter: (delay) => delay * (1 + Math.random() / 4),
          shouldRetry: ({ error }) => (mayPass(error, patient) ? undefined : false),
        },
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof HTTPError) {
        const { status, headers } = error.response;
        const location = headers.get('location');
        if (fromStore && location !== null) return await readStore(location);
        if (isDone(status, attempts)) return error.response;
        throw await refusalOf(error.response, where, attempts);
      }
      const code = networkCode(error);
      // The body is read while it is sent.
      if (code === 'NotReadableError')
        throw notReadable('a file changed during the upload; try again', error);
      throw unreachable(`cannot reach ${where} (${code}); ${hint}`, error);
    }
  }

  async function readStore(location: string): Promise<Response> {
    const { host } = new URL(location, base);
    const response = await fetch(new URL(location, base), { signal }).catch((error: unknown) => {
      if (signal.aborted) throw signal.reason;
      throw unreachable(`cannot reach ${host}, to which the service redirects`, error);
    });
    if (response.ok) return response;
    throw unexpectedAnswer(`${host}, to which the service redirects, returned status ${response.status}`);
  }

  const request = (path: string, options: ServiceRequest = {}) =>
    send(`${base}${path}`, { ...options, headers: { ...serviceHeaders, ...options.headers } });

  return {
    url: base,
    request,
    async json<T>(path: string, member: string, options?: ServiceRequest): Promise<T> {
      const value = await readJson(await request(path, options));
      if (typeof value === 'object' && value !== null && member in value) return value as T;
      throw unexpectedAnswer(`${base} is not an ml-serverless service; check --url`);
    },
    async upload(url, headers, body) {
      const response = await send(
        url.startsWith('/') ? `${base}${url}` : url,
        // Without `onUpload`: with it, the body is a stream and has no Content-Length, which the URL requires.
        { method: 'PUT', headers, body, timeout: UPLOAD_TIMEOUT_MS },
        // The object exists: an earlier attempt arrived, and only its response was lost.
        (status, attempts) => attempts > 1 && (status === 409 || status === 412),
      );
      await response.body?.cancel();
    },
  };
}

/** True if another attempt may succeed; its status is checked by ky. */
function mayPass(error: Error, patient: boolean): boolean {
  if (error instanceof HTTPError) {
    return !(Number(error.response.headers.get('retry-after')) > MAX_RETRY_AFTER_SECONDS);
  }
  const code = networkCode(error);
  if (code === 'ECONNREFUSED') return patient;
  return code !== 'ENOTFOUND' && code !== 'NotReadableError';
}

/** The system's name of a failed connection, e.g. ECONNREFUSED. */
function networkCode(error: unknown): string {
  if (error instanceof TimeoutError) return 'ETIMEDOUT';
  const { cause, message } = error as Error & {
    cause?: Error & { code?: unknown; errors?: { code?: string }[] };
  };
  if (typeof cause?.code === 'string') return cause.code;
  return (
    cause?.errors?.[0]?.code ??
    (cause?.name === 'NotReadableError' ? cause.name : (cause?.message ?? message))
  );
}

async function readJson(response: Response): Promise<unknown> {
  if (!/\bjson\b/.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel();
    return undefined;
  }
  try {
    return await response.json();
  } catch (error) {
    throw unexpectedAnswer('the response is truncated or is not JSON; try again', error);
  }
}

/** A refusal in the service's own words, from its problem document. */
async function refusalOf(response: Response, base: string, attempts: number): Promise<CommandError> {
  const { status } = response;
  const location = response.headers.get('location');
  if (status >= 300 && status < 400 && location !== null) {
    await response.body?.cancel();
    return unexpectedAnswer(
      `${base} redirects to ${new URL(location, base).origin}; use that address with --url`,
    );
  }
  const problem = (await readJson(response).catch(() => undefined)) as
    | { code?: unknown; detail?: unknown; message?: unknown }
    | undefined;
  if (typeof problem?.code === 'string') {
    const tried = attempts > 1 ? ` (after ${attempts} attempts)` : '';
    return new CommandError(problem.code, `${String(problem.detail)}${tried}`, exitStatusOf(problem.code));
  }
  // API Gateway sends some refusals itself: {"message": "Forbidden"}.
  const message = typeof problem?.message === 'string' ? `: ${problem.message}` : '';
  return unexpectedAnswer(`${base} returned status ${status}${message}; check --url`);
}
