import { AppError } from '../../domain/errors.ts';
import { type DropMessage, type DroppedInput, foldDropped, parseDropEvent } from '../../domain/job/events.ts';
import { MAX_OBJECTS } from '../../domain/job/job.ts';
import { checkKey } from '../../domain/keys.ts';
import { createDropJob, type DropJobOptions } from './create-drop-job.ts';

/** `objects` is the configured store, `s3://bucket`: events of other buckets are refused. */
export interface DispatchOptions extends Omit<DropJobOptions, 'origin'> {
  /** Maximum objects of one job; more objects make several jobs. */
  readonly maxObjects?: number;
  /** Reports every message that could not be processed. */
  readonly onFault: (messageId: string | undefined, reason: string) => void;
}

/** What a function that processes SQS messages did. */
export interface DispatchResult {
  readonly jobIds: readonly string[];
  /** Lambda's partial batch response: the messages that SQS delivers again. */
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/**
 * Creates jobs from one event: all records of all messages together, each object once. An event that is delivered again
 * finds its jobs.
 *
 * @throws AppError if an event without SQS messages cannot be processed, so that its sender retries it
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
    try {
      const jobId = await createDropJob(inputs, { ...options, origin: 'event' });
      if (jobId !== undefined) jobIds.push(jobId);
    } catch (error) {
      if (messageIds.length === 0) throw error;
      const reason = error instanceof Error ? error.message : String(error);
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

function faultOf(inputs: readonly DroppedInput[], storeUri: string): string | undefined {
  for (const { bucket, key } of inputs) {
    if (`s3://${bucket}` !== storeUri)
      return `the event concerns bucket ${bucket}, but the store is ${storeUri}`;
    try {
      checkKey(key);
    } catch (error) {
      return (error as Error).message;
    }
  }
  return undefined;
}

/** Groups whole messages up to `maxObjects` inputs; divides a single message that has more. */
function* groups(messages: readonly DropMessage[], maxObjects: number) {
  let waiting: DroppedInput[] = [];
  let messageIds: string[] = [];
  function* flush() {
    const folded = foldDropped(waiting);
    for (let i = 0; i < folded.length; i += maxObjects) {
      yield { inputs: folded.slice(i, i + maxObjects), messageIds };
    }
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
