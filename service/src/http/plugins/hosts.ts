import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';
import { hostNameOf, isLoopbackName } from '../../domain/host-names.ts';

/**
 * Refuses requests for host names that are not ours. A page whose DNS name resolves to 127.0.0.1 (DNS rebinding) is
 * same-origin with this server for its browser; only the Host header shows that it is not.
 * Probes are exempt: load balancers put an address of their choice into Host, and the answer holds no data.
 */
export const hostsPlugin = fp<{ readonly allowed: readonly string[] | undefined }>(
  async (app, { allowed }) => {
    app.addHook('onRequest', async (request) => {
      const { raw, headers } = request;
      // Node keeps the first of several; a proxy in front may have checked the last.
      if ((raw.headersDistinct?.host?.length ?? 0) > 1) {
        throw new AppError('INVALID_REQUEST', 'the request has more than one Host header');
      }
      // HTTP/1.0 clients send none; every browser does.
      if (allowed === undefined || headers.host === undefined || request.routeOptions.config.anyHost) return;
      const name = hostNameOf(headers.host);
      if (name !== undefined && (isLoopbackName(name) || allowed.includes(name))) return;
      throw new AppError(
        'HOST_NOT_ALLOWED',
        'this server does not answer under that host name; if it should, add the name to ALLOWED_HOSTS',
      );
    });
  },
  { name: 'hosts' },
);

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for routes that answer whatever the Host header says. */
    anyHost?: boolean;
  }
}
