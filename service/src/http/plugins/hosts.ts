import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';
import { hostNameOf, isLoopbackName } from '../../domain/host-names.ts';

/**
 * Refuses requests for unknown host names. For a browser, a page whose DNS name resolves to 127.0.0.1 (DNS rebinding) is
 * same-origin with this server; only the Host header differs.
 * Probes are exempt: load balancers choose the address in Host, and the response holds no data.
 */
export const hostsPlugin = fp<{ readonly allowed: readonly string[] | undefined }>(
  async (app, { allowed }) => {
    app.addHook('onRequest', async (request) => {
      const { raw, headers } = request;
      // Node keeps the first of several; a proxy may have checked the last.
      if ((raw.headersDistinct?.host?.length ?? 0) > 1) {
        throw new AppError('INVALID_REQUEST', 'the request has more than one Host header');
      }
      // HTTP/1.0 clients send none; browsers always do.
      if (allowed === undefined || headers.host === undefined || request.routeOptions.config.anyHost) return;
      const name = hostNameOf(headers.host);
      if (name !== undefined && (isLoopbackName(name) || allowed.includes(name))) return;
      throw new AppError(
        'HOST_NOT_ALLOWED',
        'the host name is not allowed; add it to ALLOWED_HOSTS to allow it',
      );
    });
  },
  { name: 'hosts' },
);

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for routes that ignore the Host header. */
    anyHost?: boolean;
  }
}
