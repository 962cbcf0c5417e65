import cors from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';

export interface OriginOptions {
  /** Origins whose pages may use the API. */
  readonly origins: readonly string[];
  /** True if requests need an API key, which no page can send without a preflight. */
  readonly needsKey: boolean;
}

/** How long a browser may cache the response to a preflight, in seconds. */
const PREFLIGHT_MAX_AGE = 600;

/**
 * Which web pages may use the API: the service's own page, and those of CORS_ORIGINS. Without API keys, the network is the
 * only credential of a request, and any page in a browser on that network could use it. Requests of other pages are
 * refused, even where CORS would only hide the response. Clients other than browsers send neither header.
 */
export const originsPlugin = fp<OriginOptions>(
  async (app, { origins, needsKey }) => {
    const allowed = new Set(origins);
    if (!needsKey) {
      app.addHook('onRequest', async (request) => {
        if (!isCrossSite(request, allowed)) return;
        throw new AppError(
          'ORIGIN_NOT_ALLOWED',
          'pages of this origin may not use the server; add the origin to CORS_ORIGINS to allow it',
        );
      });
    }
    if (origins.length === 0) return;
    app.addHook('onRequest', async ({ method, headers }) => {
      if (method === 'OPTIONS' && !(headers.origin && headers['access-control-request-method'])) {
        throw new AppError('INVALID_REQUEST', 'OPTIONS is for CORS preflights only');
      }
    });
    await app.register(cors, {
      origin: [...origins],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      allowedHeaders: [
        'accept',
        'authorization',
        'content-type',
        'if-none-match',
        'x-api-key',
        'x-request-id',
        'traceparent',
      ],
      exposedHeaders: ['location', 'retry-after', 'www-authenticate', 'x-request-id'],
      maxAge: PREFLIGHT_MAX_AGE,
    });
  },
  { name: 'origins' },
);

/** Checks Sec-Fetch-Site, which pages cannot set. For older browsers and plain HTTP, compares Origin with Host. */
function isCrossSite({ method, headers }: FastifyRequest, allowed: ReadonlySet<string>): boolean {
  const { origin, host } = headers;
  if (origin !== undefined && allowed.has(origin)) return false;
  const site = headers['sec-fetch-site'];
  if (site === undefined) return origin !== undefined && !isSameHost(origin, host);
  if (site === 'same-origin' || site === 'none') return false;
  // The target of a link: the page with the link cannot read it.
  const isLink =
    method === 'GET' &&
    origin === undefined &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document';
  return !isLink;
}

/** Ignores the scheme, which is unknown behind a proxy that ends TLS. */
function isSameHost(origin: string, host: string | undefined): boolean {
  try {
    const { protocol, host: originHost } = new URL(origin);
    return originHost !== '' && originHost === new URL(`${protocol}//${host}`).host;
  } catch {
    return false;
  }
}
