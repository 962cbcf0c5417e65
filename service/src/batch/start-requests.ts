import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { isAppError } from '../domain/errors.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { StartQueue } from '../jobs/start-queue.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { DispatchResult } from './drop/dispatch.ts';
import { readJob } from './job-records.ts';
import { PlanningStopped } from './plan-shards.ts';
import { startJob } from './start.ts';

const requestSchema = Type.Object({
  jobId: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' }),
  traceparent: Type.Optional(Type.String()),
});
const eventSchema = Type.Object({
  Records: Type.Array(Type.Object({ messageId: Type.String(), body: Type.String() })),
});

export interface StartRequestsOptions {
  readonly objects: ObjectStore;
  readonly queue: JobQueue;
  /** Gets jobs whose planning takes longer than this invocation. */
  readonly startQueue: StartQueue;
  readonly maxJobInputs?: number;
  readonly tracing: Tracing;
  /** Aborted shortly before the invocation ends. */
  readonly signal: AbortSignal;
  /** Reports every message that could not be processed. */
  readonly onFault: (messageId: string, error: unknown) => void;
}

/**
 * Plans and submits the jobs of an SQS event. Each step can be repeated, so a repeated delivery changes nothing. If
 * planning takes longer than this invocation, it continues with another message.
 *
 * @throws Error if the event does not come from SQS
 */
export async function handleStartRequests(
  event: unknown,
  options: StartRequestsOptions,
): Promise<DispatchResult> {
  if (!Value.Check(eventSchema, event)) throw new Error('the event is not a batch of SQS messages');
  const jobIds: string[] = [];
  const batchItemFailures: { itemIdentifier: string }[] = [];
  for (const { messageId, body } of event.Records) {
    try {
      const request = parseRequest(body);
      await start(request, options);
      jobIds.push(request.jobId);
    } catch (error) {
      options.onFault(messageId, error);
      batchItemFailures.push({ itemIdentifier: messageId });
    }
  }
  return { jobIds, batchItemFailures };
}

async function start(
  { jobId, traceparent: parent }: Static<typeof requestSchema>,
  { objects, queue, startQueue, maxJobInputs, tracing, signal }: StartRequestsOptions,
): Promise<void> {
  const attributes = { 'job.id': jobId };
  await tracing.span('start job', { kind: 'consumer', parent, attributes }, async () => {
    try {
      const job = await readJob(objects, jobId);
      const bound = maxJobInputs === undefined ? {} : { maxInputs: maxJobInputs };
      await startJob(job, { objects, queue, signal, ...bound });
    } catch (error) {
      // The inputs or the job were removed since.
      if (isAppError(error, 'JOB_NOT_FOUND', 'INVALID_REQUEST')) return;
      if (!(error instanceof PlanningStopped) || error.newShards === 0) throw error;
      await startQueue.send({ jobId, ...(parent === undefined ? {} : { traceparent: parent }) });
    }
  });
}

function parseRequest(body: string): Static<typeof requestSchema> {
  const request: unknown = JSON.parse(body);
  if (Value.Check(requestSchema, request)) return request;
  throw new Error('the message does not name a job');
}
