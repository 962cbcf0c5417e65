import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { jobIdFor } from '../../../batch/batch.ts';
import type { JobStatus } from '../../../batch/status.ts';
import { AppError, isAppError } from '../../../domain/errors.ts';
import type { Job, JobSource } from '../../../domain/job/job.ts';
import { compareKeys, parseInputKey, parseObjectKey } from '../../../domain/keys.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import type { App } from '../../app-type.ts';
import { refuseWritesIfOff } from '../../runtime/refuse-writes.ts';
import { DEFAULT_TOP_K, problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { batchOf } from './batch-of.ts';
import { storeBatchForm } from './body.ts';
import { reportRoutes } from './report.ts';
import { resultRoutes } from './results.ts';
import {
  BatchForm,
  BatchJob,
  BatchJobList,
  BatchJobParams,
  BatchListQuery,
  BatchRequestBody,
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

  app.post(
    '/batch',
    {
      onRequest: refuseWritesIfOff('GET, HEAD'),
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

  resultRoutes(app, services);
  reportRoutes(app, services);

  app.delete(
    '/batch/:jobId',
    {
      onRequest: refuseWritesIfOff('GET, HEAD'),
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
    const { jobId, prefix, digest, topK = DEFAULT_TOP_K, model = models.defaultName, results } = form;
    const source = { kind: 'prefix', prefix, digest } as const;
    let job: Job;
    try {
      const kind = results ? { results } : {};
      job = await batch.create({ ...ask(form.deadline), jobId, source, topK, model, ...kind });
    } catch (error) {
      if (isAppError(error, 'INVALID_REQUEST', 'CONFLICT', 'RATE_LIMITED')) await form.discard();
      throw error;
    }
    if (!usesFiles(job, prefix)) await form.discard();
    return job;
  }
  const body = request.body as BatchRequestBody;
  checkModel(models, body.model);
  const { topK = DEFAULT_TOP_K, model = models.defaultName, idempotencyKey, results } = body;
  const source = sourceOf(body, objects.uri);
  const jobId = jobIdFor(idempotencyKey);
  const kind = results ? { results } : {};
  return batch.create({ ...ask(body.deadline), jobId, source, topK, model, ...kind });
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
  const keys = new Set(objects?.map((key) => parseObjectKey(key, storeUri)));
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

function withLinks(status: JobStatus): BatchJob {
  const self = `/batch/${status.jobId}`;
  const next = status.next === undefined ? {} : { next: `/batch/${status.next}` };
  return { ...status, links: { self, results: `${self}/results`, report: `${self}/report`, ...next } };
}
