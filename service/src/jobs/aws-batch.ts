import {
  BatchClient,
  DescribeJobsCommand,
  type JobDetail,
  ListJobsCommand,
  SubmitJobCommand,
  TerminateJobCommand,
} from '@aws-sdk/client-batch';
import { AppError } from '../domain/errors.ts';
import { withoutIdentifiers } from '../domain/redact.ts';
import type { JobQueue, QueueState, QueueStatus } from './job-queue.ts';
import { toQueueError } from './queue-error.ts';

export interface AwsBatchOptions {
  readonly jobQueue: string;
  readonly jobDefinition: string;
  /** Another address than AWS's own. */
  readonly endpoint?: string;
  /** Tries of each request, the first included. */
  readonly maxAttempts?: number;
}

/** Array jobs have 2-10,000 children; a job of one shard is a plain job. */
const SMALLEST_ARRAY = 2;
const WAITING = ['SUBMITTED', 'PENDING', 'RUNNABLE', 'STARTING'] as const;

/** AWS Batch behind the port. Retries, timeouts and resources of a child are those of the job definition. */
export function createAwsBatchQueue(options: AwsBatchOptions): JobQueue {
  const client = new BatchClient({
    maxAttempts: options.maxAttempts ?? 5,
    retryMode: 'standard',
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true },
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
  });

  /** AWS has no idempotent submission: a job of that name which has not failed is taken for the one that is meant. */
  async function findByName(jobName: string): Promise<string | undefined> {
    const { jobSummaryList = [] } = await client.send(
      new ListJobsCommand({
        jobQueue: options.jobQueue,
        filters: [{ name: 'JOB_NAME', values: [jobName] }],
      }),
    );
    return jobSummaryList.find((job) => job.jobName === jobName && job.status !== 'FAILED')?.jobId;
  }

  return {
    submit: (job) =>
      reached(async () => {
        const known = await findByName(job.jobId);
        if (known) return { reference: known };
        const environment = { ...job.environment, JOB_URI: job.jobUri };
        const { jobId } = await client.send(
          new SubmitJobCommand({
            jobName: job.jobId,
            jobQueue: options.jobQueue,
            jobDefinition: options.jobDefinition,
            ...(job.shards >= SMALLEST_ARRAY ? { arrayProperties: { size: job.shards } } : {}),
            containerOverrides: {
              environment: Object.entries(environment).map(([name, value]) => ({ name, value })),
            },
          }),
        );
        if (!jobId)
          throw new AppError('QUEUE_UNAVAILABLE', 'AWS Batch took the job but named no id; submit it again');
        return { reference: jobId };
      }),

    status: (reference) =>
      reached(async () => {
        const { jobs = [] } = await client.send(new DescribeJobsCommand({ jobs: [reference] }));
        return jobs[0] && toStatus(jobs[0]);
      }),

    cancel: (reference, reason) =>
      reached(async () => {
        // Ends running children and takes waiting ones out of the queue.
        await client.send(
          new TerminateJobCommand({ jobId: reference, reason: reason.slice(0, 1024) || 'cancelled' }),
        );
      }),

    close: async () => client.destroy(),
  };
}

function toStatus(job: JobDetail): QueueStatus {
  const size = job.arrayProperties?.size ?? 1;
  // A plain job is its own only child; an array's parent stays PENDING while its children run.
  const summary = job.arrayProperties?.statusSummary ?? { [job.status ?? 'SUBMITTED']: 1 };
  const running = summary.RUNNING ?? 0;
  const succeeded = summary.SUCCEEDED ?? 0;
  const failed = summary.FAILED ?? 0;
  const shards = { pending: size - running - succeeded - failed, running, succeeded, failed };
  const reason = job.statusReason && withoutIdentifiers(job.statusReason);
  return { state: toState(job, shards), shards, ...(reason ? { reason } : {}) };
}

function toState(job: JobDetail, shards: QueueStatus['shards']): QueueState {
  if (job.status === 'SUCCEEDED') return 'SUCCEEDED';
  if (job.status === 'FAILED') return job.isTerminated || job.isCancelled ? 'CANCELLED' : 'FAILED';
  const isWaiting = WAITING.some((status) => status === job.status);
  return isWaiting && shards.running + shards.succeeded + shards.failed === 0 ? 'SUBMITTED' : 'RUNNING';
}

async function reached<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toQueueError(error, 'AWS Batch');
  }
}
