import pLimit from 'p-limit';
import { AppError, isAppError } from '../../domain/errors.ts';
import {
  type DropMessage,
  type DroppedInput,
  type DroppedVersion,
  foldDropped,
  parseDropEvent,
} from '../../domain/job/events.ts';
import { MAX_OBJECTS, type ResultRow, type ShardInput } from '../../domain/job/job.ts';
import { derivedJobId } from '../../domain/job/job-id.ts';
import { checkKey, outputKey } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Batch } from '../batch.ts';
import type { JobStatus } from '../status.ts';

/** Outputs looked at side by side. */
const LOOKED_AT_ONCE = 32;

export interface DispatchOptions {
  readonly batch: Pick<Batch, 'submit' | 'status'>;
  /** The configured store, `s3://bucket`: objects of other buckets are refused. */
  readonly objects: ObjectStore;
  readonly model: string;
  readonly topK: number;
  /** Most objects of one job; more of them make several jobs. */
  readonly maxObjects?: number;
  /** Told of every message that could not be handled. */
  readonly onFault: (messageId: string | undefined, reason: string) => void;
}

export interface DispatchResult {
  readonly jobIds: readonly string[];
  /** What SQS is to deliver again: the form that Lambda's partial batch response has. */
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/**
 * Turns one event into jobs: all records of all messages together, each object once. The id of a job derives from its
 * objects and their versions, so an event that is delivered again finds the job it made, and finishes making it if need be.
 *
 * @throws AppError when an event that is not a batch of SQS messages cannot be handled: its sender retries it as a whole
 */
export async function dispatch(event: unknown, options: DispatchOptions): Promise<DispatchResult> {
  const failures = new Set<string>();
  const messages: DropMessage[] = [];
  for (const message of parseDropEvent(event)) {
    const fault = message.fault ?? faultOf(message.inputs, options.objects.uri);
    if (fault === undefined) messages.push(message);
    else fail(message.messageId, fault);
  }

  const jobIds: string[] = [];
  for (const { inputs, messageIds } of groups(messages, options.maxObjects ?? MAX_OBJECTS)) {
    if (inputs.length === 0) continue;
    try {
      const jobId = await submit(inputs, options);
      if (jobId !== undefined) jobIds.push(jobId);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (messageIds.length === 0) throw error;
      for (const messageId of messageIds) fail(messageId, reason);
    }
  }
  return { jobIds, batchItemFailures: [...failures].map((itemIdentifier) => ({ itemIdentifier })) };

  function fail(messageId: string | undefined, reason: string): void {
    options.onFault(messageId, reason);
    if (messageId === undefined) throw new AppError('INVALID_REQUEST', reason);
    failures.add(messageId);
  }
}

/** @returns undefined when every object has its result already */
async function submit(
  dropped: DroppedVersion[],
  { batch, objects, model, topK }: DispatchOptions,
): Promise<string | undefined> {
  const idOf = (some: readonly ShardInput[], round: string[]) =>
    derivedJobId('e', [model, String(topK), ...some.flatMap(({ key, etag }) => [key, etag ?? '']), ...round]);
  let wanted = dropped;
  let round: string[] = [];
  let jobId = idOf(wanted, round);
  let known = await statusOf(batch, jobId);
  // The same group again finds its job. Another group may hold messages that were handled in an earlier one.
  if (!known) {
    wanted = await withoutResult(objects, wanted, (row) => row.model === model);
    jobId = idOf(wanted, round);
    known = await statusOf(batch, jobId);
  }
  // That job may have ended, and its results may have been deleted since: what is missing makes a job of its own, whose
  // id derives from the end of the one before, so that this event, too, may be delivered again.
  while (known?.finishedAt !== undefined && !canRunAgain(known)) {
    const { status, finishedAt } = known;
    // A cancelled job stays cancelled when its own event is delivered again; only a newer drop undoes it.
    if (status === 'CANCELLED') wanted = wanted.filter(({ at }) => isSince(at, finishedAt));
    // An error is a result, too: another run would come to the same.
    wanted = await withoutResult(objects, wanted, (row) => row.error !== undefined || row.model === model);
    if (wanted.length === 0) break;
    round = [finishedAt];
    jobId = idOf(wanted, round);
    known = await statusOf(batch, jobId);
  }
  if (wanted.length === 0) return undefined;
  const source = { kind: 'objects' as const, objects: wanted.map(({ at: _, ...input }) => input) };
  await batch.submit({ jobId, origin: 'event', source, model, topK });
  return jobId;
}

/** Another submission of the same id goes on with it. */
function canRunAgain({ status, counts }: JobStatus): boolean {
  return status === 'FAILED' && counts.pending > 0;
}

/** Events may tell whole seconds only. */
function isSince(at: number | undefined, iso: string): boolean {
  return at === undefined || Math.floor(at / 1000) >= Math.floor(Date.parse(iso) / 1000);
}

function statusOf(batch: DispatchOptions['batch'], jobId: string): Promise<JobStatus | undefined> {
  return batch.status(jobId).catch((error: unknown) => {
    if (isAppError(error, 'JOB_NOT_FOUND')) return undefined;
    throw error;
  });
}

async function withoutResult(
  objects: ObjectStore,
  inputs: DroppedVersion[],
  counts: (row: ResultRow) => boolean,
): Promise<DroppedVersion[]> {
  const limit = pLimit(LOOKED_AT_ONCE);
  const done = await Promise.all(inputs.map((input) => limit(() => hasResult(objects, input, counts))));
  return inputs.filter((_, i) => !done[i]);
}

/** Whether a result of this very version is there, and `counts` takes it. */
async function hasResult(
  objects: ObjectStore,
  input: ShardInput,
  counts: (row: ResultRow) => boolean,
): Promise<boolean> {
  const key = outputKey(input.key);
  if (key === undefined || input.etag === undefined) return false;
  try {
    const row = JSON.parse((await objects.get(key, { maxBytes: 1024 * 1024 })).toString()) as ResultRow;
    return row.etag === input.etag && counts(row);
  } catch (error) {
    // Not there, or not one of ours: it is made anew.
    if (isAppError(error, 'OBJECT_NOT_FOUND', 'IMAGE_TOO_LARGE') || error instanceof SyntaxError)
      return false;
    throw error;
  }
}

function faultOf(inputs: readonly DroppedInput[], storeUri: string): string | undefined {
  for (const { bucket, key } of inputs) {
    if (`s3://${bucket}` !== storeUri)
      return `the event is about bucket ${bucket}, but the store is ${storeUri}`;
    try {
      checkKey(key);
    } catch (error) {
      return (error as Error).message;
    }
  }
  return undefined;
}

/** Whole messages together, as long as they fit into one job; a single message that does not fit is cut into several. */
function* groups(messages: readonly DropMessage[], maxObjects: number) {
  let waiting: DroppedInput[] = [];
  let messageIds: string[] = [];
  function* flush() {
    const folded = foldDropped(waiting);
    for (let i = 0; i < folded.length; i += maxObjects)
      yield { inputs: folded.slice(i, i + maxObjects), messageIds };
    waiting = [];
    messageIds = [];
  }
  for (const { inputs, messageId } of messages) {
    if (waiting.length > 0 && waiting.length + inputs.length > maxObjects) yield* flush();
    waiting.push(...inputs);
    if (messageId !== undefined) messageIds.push(messageId);
  }
  yield* flush();
}
