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
  /** Replaces AWS's own endpoint. */
  readonly endpoint?: string;
  /** Attempts of each request, including the first. */
  readonly maxAttempts?: number;
}

/** Array jobs have 2-10,000 children; a job of one shard is a plain job. */
const SMALLEST_ARRAY = 2;
const WAITING = ['SUBMITTED', 'PENDING', 'RUNNABLE', 'STARTING'] as const;

/** AWS Batch as a job queue. The job definition sets retries, timeouts and resources of the children. */
export function createAwsBatchQueue(options: AwsBatchOptions): JobQueue {
  const client = new BatchClient({
    maxAttempts: options.maxAttempts ?? 5,
    retryMode: 'standard',
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true },
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
  });

  /** AWS has no idempotent submission, so a job with this name that has not failed counts as the same job. */
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
      mapErrors(async () => {
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
          throw new AppError(
            'QUEUE_UNAVAILABLE',
            'AWS Batch accepted the job without returning an id; submit it again',
          );
        return { reference: jobId };
      }),

    status: (reference) =>
      mapErrors(async () => {
        const { jobs = [] } = await client.send(new DescribeJobsCommand({ jobs: [reference] }));
        return jobs[0] && toStatus(jobs[0]);
      }),

    cancel: (reference, reason) =>
      mapErrors(async () => {
        // Stops running children and removes waiting ones.
        await client.send(
          new TerminateJobCommand({ jobId: reference, reason: reason.slice(0, 1024) || 'cancelled' }),
        );
      }),

    close: async () => client.destroy(),
  };
}

function toStatus(job: JobDetail): QueueStatus {
  const size = job.arrayProperties?.size ?? 1;
  // A plain job has no children and counts as one shard; an array's parent stays PENDING while its children run.
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

async function mapErrors<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toQueueError(error, 'AWS Batch');
  }
}
