import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { OpenSpan, Tracing } from '../../telemetry/tracing.ts';

/**
 * Records a span for each request except probes, such as `POST /predict`. With the header `traceparent`, it joins the
 * caller's trace. Names follow OpenTelemetry's semantic conventions for HTTP.
 *
 * Own code instead of @fastify/otel: that records the path with its query, while here neither path, query, headers nor
 * bodies may be in a trace; and it ends the span before the last byte of a streamed response.
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
    // Not earlier: reading the body loses the context, because its events belong to the socket.
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
    // If the client disconnects, there is no response.
    app.addHook('onRequestAbort', async (request) => {
      const span = spans.get(request);
      span?.fail('REQUEST_CANCELLED');
      span?.end();
      spans.delete(request);
    });
  },
  { name: 'tracing' },
);
