import { Type } from 'typebox';
import type { App } from '../../app-type.ts';
import { clientSignal } from '../../runtime/client-signal.ts';
import { problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { batchOf } from './batch-of.ts';
import { BatchJobParams } from './schema.ts';

/** The page's own policy is stricter: it names the hash of its style, which a stored page may have from an older version. */
const CSP =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** GET /batch/{jobId}/report: one HTML page about a job. */
export function reportRoutes(app: App, services: Services): void {
  app.get(
    '/batch/:jobId/report',
    {
      schema: {
        operationId: 'getBatchReport',
        summary: 'Get the report',
        description:
          'One HTML page that needs no network: counts, labels, failures, the least certain images, model, duration and cost. Of a job that has not ended: so far.',
        tags: ['batch'],
        params: BatchJobParams,
        response: {
          200: {
            description: 'The page',
            content: { 'text/html': { schema: Type.Unsafe<string>({ type: 'string' }) } },
          },
          ...problems('UNAUTHORIZED', 'JOB_NOT_FOUND', 'STORE_UNAVAILABLE', 'QUEUE_UNAVAILABLE'),
        },
      },
    },
    async ({ params }, reply) => {
      const report = await batchOf(services).report(params.jobId, clientSignal(reply));
      return reply.type('text/html; charset=utf-8').header('content-security-policy', CSP).send(report);
    },
  );
}
