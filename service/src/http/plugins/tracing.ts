import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { OpenSpan, Tracing } from '../../telemetry/tracing.ts';

/**
 * A span for each request, but not for probes: `POST /predict`, part of the caller's trace where it sent a `traceparent`.
 * Names are of OpenTelemetry's semantic conventions for HTTP. The path, the query, headers and bodies stay out of it.
 */
export const tracingPlugin = fp<{ readonly tracing: Tracing }>(
  async (app, { tracing }) => {
    const spans = new WeakMap<FastifyRequest, OpenSpan>();
    app.addHook('onRequest', async (request) => {
      const { config, url: pattern } = request.routeOptions;
      if (config?.quiet) return;
      const route = request.is404 ? undefined : pattern;
      const { traceparent } = request.headers;
      const span = tracing.start(route ? `${request.method} ${route}` : request.method, {
        kind: 'server',
        parent: typeof traceparent === 'string' ? traceparent : undefined,
        attributes: {
          'http.request.method': request.method,
          'request.id': request.id,
          ...(route ? { 'http.route': route } : {}),
        },
      });
      if (span.traceparent === undefined) return;
      spans.set(request, span);
      request.log = request.log.child({ traceId: span.traceparent.split('-')[1] });
    });
    // Not earlier: what follows the reading of the body begins in the context of the socket, not in that of its request.
    app.addHook('preValidation', (request, _reply, done) => {
      const span = spans.get(request);
      if (span) span.run(done);
      else done();
    });
    app.addHook('onResponse', async (request, reply) => {
      const span = spans.get(request);
      span?.set({ 'http.response.status_code': reply.statusCode });
      if (reply.statusCode >= 500) span?.fail(String(reply.statusCode));
      span?.end();
    });
    // A client that hangs up gets no response; its span ends all the same.
    app.addHook('onRequestAbort', async (request) => {
      const span = spans.get(request);
      span?.fail('REQUEST_CANCELLED');
      span?.end();
      spans.delete(request);
    });
  },
  { name: 'tracing' },
);
