import { apiKey, askForKey } from './key.js';

/** A failed request: a code of the service, or GONE and BROKEN_OFF for a connection that failed. */
export class Problem extends Error {
  constructor({ code, detail = '', status = 0, retryAfterSeconds, requestId }) {
    super(detail);
    Object.assign(this, { code, status, retryAfterSeconds, requestId });
  }
}

/** The headers of every request. */
export function keyHeader() {
  const key = apiKey();
  return key === null ? {} : { 'x-api-key': key };
}

/**
 * Sends a request and asks the user for an API key if one is needed. Paths are relative, so that the page works behind
 * any prefix.
 *
 * @returns {Promise<Response>} with status 2xx
 * @throws {Problem}, or the AbortError of `init.signal`
 */
export async function call(path, init = {}, { asksForKey = true } = {}) {
  for (;;) {
    const headers = { ...init.headers, ...keyHeader() };
    let response;
    try {
      response = await fetch(path, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw await lostConnection();
    }
    if (response.ok) return response;
    const problem = problemOf(response.status, await response.text(), response.headers.get('retry-after'));
    if (problem.code !== 'UNAUTHORIZED' || !asksForKey) throw problem;
    if (!(await askForKey('x-api-key' in headers))) throw problem;
  }
}

export const getJson = async (path, init, options) => (await call(path, init, options)).json();

/** The problem of a response. A gateway or proxy sends other bodies: then only the status is known. */
export function problemOf(status, text, retryAfter) {
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    // A gateway's HTML or plain text does not help the user.
  }
  const seconds = body.retryAfterSeconds ?? (Number(retryAfter) || undefined);
  const code = typeof body.code === 'string' ? body.code : codeOf(status);
  return new Problem({
    code,
    status,
    detail: typeof body.detail === 'string' ? body.detail : '',
    retryAfterSeconds: seconds,
    requestId: body.requestId,
  });
}

function codeOf(status) {
  if (status === 401 || status === 403) return 'UNAUTHORIZED';
  if (status === 413) return 'IMAGE_TOO_LARGE';
  if (status === 429) return 'RATE_LIMITED';
  if (status === 503) return 'OVERLOADED';
  return status === 502 || status === 504 ? 'GONE' : 'INTERNAL';
}

/** Browsers hide why a connection failed, so this asks whether the service still answers. */
export async function lostConnection() {
  try {
    await fetch('health/live', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    return new Problem({ code: 'BROKEN_OFF' });
  } catch {
    document.dispatchEvent(new Event('service-gone'));
    return new Problem({ code: 'GONE' });
  }
}
