import type { JobQueue } from './job-queue.ts';
import { createLocalQueue, type LocalQueueOptions } from './local.ts';
import type { StartQueue } from './start-queue.ts';
import type { WorkerCommand } from './worker-process.ts';

export interface QueueSettings {
  readonly JOBS: 'local' | 'aws-batch';
  readonly LOCAL_WORKERS: number;
  readonly WORKER_TIMEOUT_MS: number;
  /** Path of the worker program, for JOBS=local. */
  readonly worker: string;
  readonly JOB_QUEUE_ARN?: string;
  readonly JOB_DEFINITION_ARN?: string;
  readonly BATCH_ENDPOINT?: string;
}

/** Creates the configured queue; `listeners` get events of local jobs only. */
export async function openQueue(
  settings: QueueSettings,
  environment: WorkerCommand['environment'],
  listeners: Pick<LocalQueueOptions, 'onRows' | 'onEnd' | 'onFailedAttempt'> = {},
): Promise<JobQueue> {
  if (settings.JOBS === 'aws-batch') {
    // The SDK takes 0.2 s to load, so load it only if needed.
    const { createAwsBatchQueue } = await import('./aws-batch.ts');
    return createAwsBatchQueue({
      jobQueue: settings.JOB_QUEUE_ARN ?? '',
      jobDefinition: settings.JOB_DEFINITION_ARN ?? '',
      ...(settings.BATCH_ENDPOINT ? { endpoint: settings.BATCH_ENDPOINT } : {}),
    });
  }
  return createLocalQueue({
    command: {
      program: process.execPath,
      args: [settings.worker],
      environment,
      output: 'inherit',
    },
    concurrency: settings.LOCAL_WORKERS,
    stallMs: settings.WORKER_TIMEOUT_MS,
    ...listeners,
  });
}

/** Creates the queue of START_QUEUE_URL; undefined if this process plans and submits jobs itself. */
export async function openStartQueue({
  JOBS,
  START_QUEUE_URL,
}: Pick<QueueSettings, 'JOBS'> & { readonly START_QUEUE_URL?: string }): Promise<StartQueue | undefined> {
  if (JOBS !== 'aws-batch' || START_QUEUE_URL === undefined) return undefined;
  const { createSqsStartQueue } = await import('./sqs-start-queue.ts');
  return createSqsStartQueue(START_QUEUE_URL);
}
