import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type Batch, jobIdFor } from '../../../batch/batch.ts';
import type { JobStatus } from '../../../batch/status.ts';
import { resultHeader, resultLines } from '../../../domain/csv.ts';
import { AppError, isAppError } from '../../../domain/errors.ts';
import type { Job, JobSource, ResultRow } from '../../../domain/job/job.ts';
import { compareKeys, parseInputKey } from '../../../domain/keys.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import type { App } from '../../app-type.ts';
import { clientSignal } from '../../runtime/client-signal.ts';
import { DEFAULT_TOP_K, problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { storeBatchForm } from './body.ts';
import {
  BatchForm,
  BatchJob,
  BatchJobList,
  BatchJobParams,
  BatchListQuery,
  BatchRequestBody,
  BatchResultsQuery,
} from './schema.ts';

const DEFAULT_LIMIT = 20;
const tags = ['batch'];

/** /batch: many images, as jobs. */
export function batchRoutes(app: App, services: Services): void {
  app.addSchema(BatchJob);
  const job = (description: string) => ({
    description,
    content: { 'application/json': { schema: Type.Unsafe<BatchJob>({ $ref: 'BatchJob#' }) } },
  });

  /** Runs before the body is read. */
  const refuseUnlessOn = async (_: FastifyRequest, reply: FastifyReply) => {
    if (services.config.BATCH_REQUESTS === 'on') return;
    reply.header('allow', 'GET, HEAD');
    throw new AppError(
      'METHOD_NOT_ALLOWED',
      'requests cannot create or cancel jobs (BATCH_REQUESTS=off); put the images under input/ of the store',
    );
  };

  app.post(
    '/batch',
    {
      onRequest: refuseUnlessOn,
      schema: {
        operationId: 'submitBatch',
        summary: 'Classify many images',
        description:
          'Creates a job from objects of the store, or from the files of a form. It runs in the background. Each input gets a row in the results, and `output/<path>.json` beside it in the store.',
        tags,
        body: {
          description: 'The images',
          content: {
            'application/json': { schema: BatchRequestBody },
            'multipart/form-data': { schema: BatchForm },
          },
        },
        response: {
          202: job('The job; the existing one if the idempotencyKey is known'),
          ...problems(
            'INVALID_REQUEST',
            'UNAUTHORIZED',
            'MODEL_NOT_FOUND',
            'METHOD_NOT_ALLOWED',
            'REQUEST_TIMEOUT',
            'CONFLICT',
            'IMAGE_TOO_LARGE',
            'PAYLOAD_TOO_LARGE',
            'UNSUPPORTED_MEDIA_TYPE',
            'RATE_LIMITED',
            'OVERLOADED',
            'STORE_UNAVAILABLE',
            'QUEUE_UNAVAILABLE',
          ),
        },
      },
    },
    async (request, reply) => {
      const status = await batchOf(services).status(await createJob(request, services));
      // Connects the log lines of the request with those of the workers.
      request.log.info({ jobId: status.jobId }, 'job submitted');
      reply.code(202).header('location', `/batch/${status.jobId}`);
      return withLinks(status);
    },
  );

  app.get(
    '/batch',
    {
      schema: {
        operationId: 'listBatchJobs',
        summary: 'List the jobs',
        description: 'Newest first, in pages.',
        tags,
        querystring: BatchListQuery,
        response: {
          200: { description: 'A page of jobs', content: { 'application/json': { schema: BatchJobList } } },
          ...problems('UNAUTHORIZED', 'STORE_UNAVAILABLE', 'QUEUE_UNAVAILABLE'),
        },
      },
    },
    async ({ query }) => {
      const { jobs, next } = await batchOf(services).list(query.limit ?? DEFAULT_LIMIT, query.cursor);
      return { jobs: jobs.map(withLinks), ...(next === undefined ? {} : { next }) };
    },
  );

  app.get(
    '/batch/:jobId',
    {
      schema: {
        operationId: 'getBatchJob',
        summary: 'Get a job',
        description: 'The status and counts of a job.',
        tags,
        params: BatchJobParams,
        response: {
          200: job('The job'),
          ...problems('UNAUTHORIZED', 'JOB_NOT_FOUND', 'STORE_UNAVAILABLE', 'QUEUE_UNAVAILABLE'),
        },
      },
    },
    async ({ params }) => withLinks(await batchOf(services).status(params.jobId)),
  );

  app.get(
    '/batch/:jobId/results',
    {
      schema: {
        operationId: 'getBatchResults',
        summary: 'Get the results',
        description:
          'Every row so far as JSON Lines: `{ key, etag, model, version, predictions }`, or `{ key, error: { code, message } }`; or as CSV.',
        tags,
        params: BatchJobParams,
        querystring: BatchResultsQuery,
        response: {
          200: {
            description: 'One JSON object per line, or CSV',
            content: {
              'application/x-ndjson': { schema: Type.Unsafe({ description: 'JSON Lines' }) },
              'text/csv': { schema: Type.Unsafe({ description: 'CSV' }) },
            },
          },
          ...problems('UNAUTHORIZED', 'JOB_NOT_FOUND', 'STORE_UNAVAILABLE', 'QUEUE_UNAVAILABLE'),
        },
      },
    },
    async ({ params, query }, reply) =>
      streamResults(batchOf(services), params.jobId, query.format ?? 'jsonl', reply),
  );

  app.delete(
    '/batch/:jobId',
    {
      onRequest: refuseUnlessOn,
      schema: {
        operationId: 'cancelBatchJob',
        summary: 'Cancel a job',
        description: 'Existing rows remain. A finished job does not change.',
        tags,
        params: BatchJobParams,
        response: {
          200: job('The job after the call'),
          ...problems(
            'UNAUTHORIZED',
            'JOB_NOT_FOUND',
            'METHOD_NOT_ALLOWED',
            'STORE_UNAVAILABLE',
            'QUEUE_UNAVAILABLE',
          ),
        },
      },
    },
    async ({ params }) => withLinks(await batchOf(services).cancel(params.jobId, 'cancelled by request')),
  );
}

async function createJob(request: FastifyRequest, services: Services): Promise<Job> {
  const batch = batchOf(services);
  const { models, config, objects } = services as Services & { readonly objects: ObjectStore };
  const ask = (deadline?: string) => ({ origin: 'request' as const, ...deadlineOf(deadline) });
  if (request.mediaType === 'multipart/form-data') {
    const form = await storeBatchForm(request, objects, config, ({ model, deadline }) => {
      checkModel(models, model);
      deadlineOf(deadline);
    });
    const { jobId, prefix, digest, topK = DEFAULT_TOP_K, model = models.defaultName } = form;
    const source = { kind: 'prefix', prefix, digest } as const;
    let job: Job;
    try {
      job = await batch.create({ ...ask(form.deadline), jobId, source, topK, model });
    } catch (error) {
      if (isAppError(error, 'INVALID_REQUEST', 'CONFLICT', 'RATE_LIMITED')) await form.discard();
      throw error;
    }
    if (!usesFiles(job, prefix)) await form.discard();
    return job;
  }
  const body = request.body as BatchRequestBody;
  checkModel(models, body.model);
  const { topK = DEFAULT_TOP_K, model = models.defaultName, idempotencyKey } = body;
  const source = sourceOf(body, objects.uri);
  return batch.create({ ...ask(body.deadline), jobId: jobIdFor(idempotencyKey), source, topK, model });
}

/** The same instant for every notation. @throws AppError INVALID_REQUEST for a time like 23:59:60 */
function deadlineOf(text: string | undefined): { deadline?: string } {
  if (text === undefined) return {};
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new AppError('INVALID_REQUEST', 'the deadline is not a time; send ISO 8601');
  return { deadline: new Date(at).toISOString() };
}

/** False if an earlier request with the same idempotencyKey created the job of the same files in another folder. */
function usesFiles({ source }: Job, prefix: string): boolean {
  return source.kind === 'prefix' && source.prefix === prefix;
}

function sourceOf({ prefix, objects }: BatchRequestBody, storeUri: string): JobSource {
  if ((prefix === undefined) === (objects === undefined)) {
    throw new AppError('INVALID_REQUEST', 'send exactly one of prefix and objects');
  }
  if (prefix !== undefined) return { kind: 'prefix', prefix: parseInputKey(prefix, storeUri) };
  const keys = new Set(objects?.map((key) => parseInputKey(key, storeUri)));
  return { kind: 'objects', objects: [...keys].sort(compareKeys).map((key) => ({ key })) };
}

/** A model that is still loading passes: the workers load it themselves. */
function checkModel(models: Services['models'], name: string | undefined): void {
  try {
    if (models.taskOf) models.taskOf(name);
    else models.get(name);
  } catch (error) {
    if (!isAppError(error, 'MODEL_NOT_READY')) throw error;
  }
}

/** The first chunk is read before the response starts, so that an unknown job is a 404. */
async function streamResults(
  batch: Batch,
  jobId: string,
  format: 'jsonl' | 'csv',
  reply: FastifyReply,
): Promise<FastifyReply> {
  const topK = format === 'csv' ? (await batch.status(jobId)).topK : 0;
  const chunks = batch.results(jobId, clientSignal(reply));
  const first = await chunks.next();
  async function* all() {
    if (!first.done) yield first.value;
    yield* chunks;
  }
  async function* csv() {
    yield resultHeader(topK);
    for await (const chunk of all()) yield resultLines(parseRows(chunk), topK);
  }
  const [type, body] =
    format === 'csv' ? ['text/csv; charset=utf-8', csv()] : ['application/x-ndjson', all()];
  return reply.type(type).send(Readable.from(body, { objectMode: false }));
}

/** A chunk holds whole lines. */
const parseRows = (chunk: Buffer): ResultRow[] =>
  chunk
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

function batchOf({ batch }: Services): Batch {
  if (!batch) throw new AppError('INVALID_REQUEST', 'no object store is configured; batch jobs need one');
  return batch;
}

function withLinks(status: JobStatus): BatchJob {
  const self = `/batch/${status.jobId}`;
  const next = status.next === undefined ? {} : { next: `/batch/${status.next}` };
  return { ...status, links: { self, results: `${self}/results`, ...next } };
}
