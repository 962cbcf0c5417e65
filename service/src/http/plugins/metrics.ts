import fp from 'fastify-plugin';
import { Counter, Histogram } from 'prom-client';
import { type Metrics, SECONDS } from '../../telemetry/metrics.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Counts requests. Labels are bounded: a route is its pattern (`/batch/:jobId`) or `unmatched`, and an unusual method is
 * `other`.
 */
export const metricsPlugin = fp<{ readonly metrics: Metrics }>(
  async (app, { metrics }) => {
    const registers = [metrics.registry];
    const labelNames = ['method', 'route', 'status'] as const;
    const requests = new Counter({
      name: 'http_requests_total',
      help: 'Requests that got a response',
      labelNames,
      registers,
    });
    const seconds = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time from the first byte of a request to the last byte of its response',
      labelNames,
      buckets: SECONDS,
      registers,
    });
    app.decorate('metrics', metrics);
    app.addHook('onResponse', async (request, reply) => {
      const labels = {
        method: METHODS.has(request.method) ? request.method : 'other',
        route: request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched'),
        status: String(reply.statusCode),
      };
      requests.inc(labels);
      seconds.observe(labels, reply.elapsedTime / 1000);
    });
    app.addHook('onClose', async () => metrics.registry.clear());
  },
  { name: 'metrics' },
);

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics;
  }
}
