import { Type } from 'typebox';
import type { Batch } from '../../../batch/batch.ts';
import { encodeResults, RESULT_TYPES } from '../../../batch/results/encode.ts';
import type { ResultFormat } from '../../../domain/job/job-layout.ts';
import type { App } from '../../app-type.ts';
import { clientSignal } from '../../runtime/client-signal.ts';
import { problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { batchOf } from './batch-of.ts';
import { BatchJobParams, BatchResultsQuery } from './schema.ts';

/** Classes per Parquet row group: encoding one blocks the event loop for about 20 ms. */
const GROUP_CLASSES = 4_000;

/** GET /batch/{jobId}/results: the rows of a job so far. */
export function resultRoutes(app: App, services: Services): void {
  const { maxResponseBytes } = services.config;
  app.get(
    '/batch/:jobId/results',
    {
      schema: {
        operationId: 'getBatchResults',
        summary: 'Get the results',
        description:
          'Every row so far, in the order of the inputs, as JSON Lines: `{ key, etag, model, version, predictions }`, or `{ key, error: { code, message } }`; or as CSV or Parquet. On AWS Lambda, results of more than 4 MB are a redirect to a presigned address, if the job has ended and has `results: rows`.',
        tags: ['batch'],
        params: BatchJobParams,
        querystring: BatchResultsQuery,
        response: {
          200: {
            description: 'One JSON object per line, CSV or Parquet',
            content: {
              'application/x-ndjson': { schema: Type.Unsafe({ description: 'JSON Lines' }) },
              'text/csv': { schema: Type.Unsafe({ description: 'CSV' }) },
              'application/vnd.apache.parquet': {
                schema: Type.Unsafe<Buffer>({ type: 'string', format: 'binary', description: 'Parquet' }),
              },
            },
          },
          303: Type.Null({
            description: 'The results are in the store',
            headers: { Location: { type: 'string', description: 'Their address, for 15 minutes' } },
          }),
          ...problems('UNAUTHORIZED', 'JOB_NOT_FOUND', 'STORE_UNAVAILABLE'),
        },
      },
    },
    async ({ params: { jobId }, query: { format = 'jsonl' } }, reply) => {
      const batch = batchOf(services);
      const job = await batch.find(jobId);
      const address = await batch.resultsAddress(job, format, maxResponseBytes);
      if (address !== undefined) return reply.redirect(address, 303);
      const chunks = await openChunks(batch, jobId, clientSignal(reply));
      const { topK } = job;
      const body = encodeResults(chunks, format, { topK, groupClasses: GROUP_CLASSES });
      return reply.type(RESULT_TYPES[format satisfies ResultFormat]).send(body);
    },
  );
}

/** Reads the first chunk before the response starts, so that an unavailable store is a 503. */
async function openChunks(batch: Batch, jobId: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
  const chunks = batch.results(jobId, signal);
  const first = await chunks.next();
  async function* all() {
    if (!first.done) yield first.value;
    yield* chunks;
  }
  return all();
}
