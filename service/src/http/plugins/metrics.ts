import fp from 'fastify-plugin';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Models } from '../../domain/classifier.ts';
import type { Classification } from '../../domain/prediction.ts';

/** The app's own registry, and what routes tell it. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts one classification, by the stages it went through. */
  observe(classification: Classification): void;
}

/** Seconds; dense where one image on one CPU lies, sparse above. */
const SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Counts requests and stages. Labels are bounded: a route is its pattern (`/batch/:jobId`), whatever is no route is
 * `unmatched`, an unusual method is `other`, and models are those that are loaded.
 */
export const metricsPlugin = fp<{ readonly models: Models }>(
  async (app, { models }) => {
    const registry = new Registry();
    const registers = [registry];
    collectDefaultMetrics({ register: registry });
    const labelNames = ['method', 'route', 'status'] as const;
    const requests = new Counter({
      name: 'http_requests_total',
      help: 'Answered requests',
      labelNames,
      registers,
    });
    const seconds = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'From the first byte of a request to the last of its answer',
      labelNames,
      buckets: SECONDS,
      registers,
    });
    const stages = new Histogram({
      name: 'classification_stage_seconds',
      help: 'Time of one image in each stage: decode, queue, inference',
      labelNames: ['model', 'stage'] as const,
      buckets: SECONDS,
      registers,
    });
    new Gauge({
      name: 'classification_queue_depth',
      help: 'Images that wait for inference',
      registers,
      collect() {
        this.set(models.queueDepth ?? 0);
      },
    });
    new Gauge({
      name: 'models_ready',
      help: '1 once every model is loaded and warmed up',
      registers,
      collect() {
        this.set(models.ready ? 1 : 0);
      },
    });
    app.decorate('metrics', {
      registry,
      observe({ model, timing }) {
        stages.observe({ model, stage: 'decode' }, timing.decodeMs / 1000);
        stages.observe({ model, stage: 'queue' }, timing.queueMs / 1000);
        stages.observe({ model, stage: 'inference' }, timing.inferenceMs / 1000);
      },
    } satisfies Metrics);
    app.addHook('onResponse', async (request, reply) => {
      const labels = {
        method: METHODS.has(request.method) ? request.method : 'other',
        route: request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched'),
        status: String(reply.statusCode),
      };
      requests.inc(labels);
      seconds.observe(labels, reply.elapsedTime / 1000);
    });
    app.addHook('onClose', async () => registry.clear());
  },
  { name: 'metrics' },
);

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics;
  }
}
