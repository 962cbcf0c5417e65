import { CommandError, exitStatusOf, unexpectedAnswer, unreachable } from '../failure.ts';
import { MAX_TRIES, parseRetryAfter, pause, pauseBefore, RETRYABLE } from './retry.ts';

/** Longest wait for the head of an answer, in milliseconds: a little more than the service allows itself. */
const ANSWER_WITHIN_MS = 90_000;
/** Largest JSON answer, in bytes; results are streamed and have no limit. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;

/** Whatever fetch takes as a body. */
export type RequestBody = NonNullable<RequestInit['body']>;

interface ServiceRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each try. Every request here may be repeated: a batch carries an idempotency key. */
  readonly body?: () => RequestBody;
  /** Milliseconds until the head of the answer must be there. */
  readonly within?: number;
  /** True when the service answered before: it may be restarting, so a refused connection is tried again. */
  readonly patient?: boolean;
}

/** The service over HTTP, with retries; every failure is a CommandError. */
export interface ServiceClient {
  readonly url: string;
  /** True for this machine. */
  readonly isLocal: boolean;
  /** An answer with a status of 2xx, its body unread. */
  request(path: string, request?: ServiceRequest): Promise<Response>;
  /** The JSON of an answer; `member` is what it must have, to know that the right service answers. */
  json<T>(path: string, member: string, request?: ServiceRequest): Promise<T>;
}

export interface ServiceClientOptions {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly signal: AbortSignal;
  /** Ends the message when nobody is there. */
  readonly hint: string;
}

export function createServiceClient({ url, apiKey, signal, hint }: ServiceClientOptions): ServiceClient {
  const base = url.replace(/(?<!\/)\/+$/, '');
  const { hostname } = new URL(base);
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);

  async function attempt(path: string, request: ServiceRequest): Promise<Response> {
    const { method = 'GET', headers = {}, body, within = ANSWER_WITHIN_MS } = request;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), within);
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          accept: 'application/json, application/x-ndjson, application/problem+json',
          ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
          ...headers,
        },
        // A redirect could carry the key and the images to another host.
        redirect: 'manual',
        signal: AbortSignal.any([signal, timeout.signal]),
        ...(body ? { body: body(), duplex: 'half' } : {}),
      } as RequestInit);
      return response;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      // The body is read while it is sent: what fails there is a file, not the network.
      const { cause } = error as Error;
      if (cause instanceof CommandError) throw cause;
      const code = timeout.signal.aborted ? 'ETIMEDOUT' : networkCode(error);
      throw Object.assign(unreachable(`cannot reach ${base} (${code}); ${hint}`, error), { network: code });
    } finally {
      clearTimeout(timer);
    }
  }

  async function request(path: string, wanted: ServiceRequest = {}): Promise<Response> {
    for (let tries = 1; ; tries++) {
      let failure: CommandError;
      let retryAfter: number | undefined;
      try {
        const response = await attempt(path, wanted);
        if (response.ok) return response;
        retryAfter = parseRetryAfter(response.headers.get('retry-after'));
        failure = await failureOf(response, base, tries);
        if (!RETRYABLE.has(response.status)) throw failure;
      } catch (error) {
        const network = (error as { network?: string }).network;
        // Nobody listens, or there is no such host: that does not change within seconds, except while it restarts.
        const isBroken = network !== undefined && !['ENOTFOUND', 'ETIMEDOUT'].includes(network);
        if (!(isBroken && (wanted.patient || network !== 'ECONNREFUSED'))) throw error;
        failure = error as CommandError;
      }
      const seconds = pauseBefore(tries + 1, retryAfter);
      if (seconds === undefined) throw failure;
      await pause(seconds, signal);
    }
  }

  return {
    url: base,
    isLocal,
    request,
    async json<T>(path: string, member: string, wanted?: ServiceRequest): Promise<T> {
      const response = await request(path, wanted);
      const value = await readJson(response);
      if (typeof value === 'object' && value !== null && member in value) return value as T;
      throw unexpectedAnswer(`something else than ml-serverless answers at ${base}; check --url`);
    },
  };
}

/** The system's name of a failed connection, e.g. ECONNREFUSED. */
function networkCode(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string; errors?: { code?: string }[] } };
  return cause?.code ?? cause?.errors?.[0]?.code ?? cause?.message ?? (error as Error).message;
}

async function readJson(response: Response): Promise<unknown> {
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  if (!isJson || Number(response.headers.get('content-length')) > MAX_JSON_BYTES) {
    await response.body?.cancel();
    return undefined;
  }
  try {
    return await response.json();
  } catch (error) {
    throw unexpectedAnswer('the answer broke off or is not JSON; try again', error);
  }
}

/** The service's own code and sentence, from its problem document. */
async function failureOf(response: Response, base: string, tries: number): Promise<CommandError> {
  const { status } = response;
  const location = response.headers.get('location');
  if (status >= 300 && status < 400 && location !== null) {
    await response.body?.cancel();
    return unexpectedAnswer(`${base} redirects to ${new URL(location, base).origin}; name that with --url`);
  }
  const problem = (await readJson(response).catch(() => undefined)) as
    | { code?: unknown; detail?: unknown; message?: unknown }
    | undefined;
  if (typeof problem?.code === 'string') {
    const again = RETRYABLE.has(status) && tries > 1 ? ` (after ${Math.min(tries, MAX_TRIES)} tries)` : '';
    return new CommandError(problem.code, `${String(problem.detail)}${again}`, exitStatusOf(problem.code));
  }
  // API Gateway answers some failures itself: {"message": "Forbidden"}.
  const said = typeof problem?.message === 'string' ? `: ${problem.message}` : '';
  return unexpectedAnswer(`${base} answered with status ${status}${said}; check --url`);
}
