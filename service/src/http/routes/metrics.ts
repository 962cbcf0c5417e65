import { Type } from 'typebox';
import type { App } from '../app-type.ts';
import { problems } from '../schemas/shared.ts';

/** GET /metrics: counters and histograms for Prometheus. */
export function metricsRoutes(app: App): void {
  app.get(
    '/metrics',
    {
      config: { quiet: true },
      schema: {
        operationId: 'getMetrics',
        summary: 'Get metrics for Prometheus',
        description:
          'Requests, stages of inference, queue depth, event-loop lag and memory, in the text format.',
        tags: ['health'],
        response: {
          200: {
            description: 'Prometheus text format 0.0.4',
            content: { 'text/plain': { schema: Type.String() } },
          },
          ...problems('UNAUTHORIZED'),
        },
      },
    },
    async (_request, reply) => {
      const text = await app.metrics.registry.metrics();
      return reply.type(app.metrics.registry.contentType).send(text);
    },
  );
}
