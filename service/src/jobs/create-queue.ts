import type { JobQueue } from './job-queue.ts';
import { createLocalQueue, type LocalQueueOptions } from './local.ts';
import type { StartQueue } from './start-queue.ts';
import type { WorkerCommand } from './worker-process.ts';

export interface QueueSettings {
  readonly JOBS: 'local' | 'aws-batch';
  readonly LOCAL_WORKERS: number;
  readonly WORKER_TIMEOUT_MS: number;
  /** The worker's program, which JOBS=local runs. */
  readonly worker: string;
  readonly JOB_QUEUE_ARN?: string;
  readonly JOB_DEFINITION_ARN?: string;
  readonly BATCH_ENDPOINT?: string;
}

/** The queue that the configuration names; `listeners` hear of jobs that run here, not of those at AWS. */
export async function openQueue(
  settings: QueueSettings,
  environment: WorkerCommand['environment'],
  listeners: Pick<LocalQueueOptions, 'onRows' | 'onEnd' | 'onFailedAttempt'> = {},
): Promise<JobQueue> {
  if (settings.JOBS === 'aws-batch') {
    // The SDK takes 0.2 s to load: only for those who use it.
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

/** The queue that START_QUEUE_URL names; undefined where jobs are planned and submitted by this process. */
export async function openStartQueue({
  JOBS,
  START_QUEUE_URL,
}: Pick<QueueSettings, 'JOBS'> & { readonly START_QUEUE_URL?: string }): Promise<StartQueue | undefined> {
  if (JOBS !== 'aws-batch' || START_QUEUE_URL === undefined) return undefined;
  const { createSqsStartQueue } = await import('./sqs-start-queue.ts');
  return createSqsStartQueue(START_QUEUE_URL);
}
