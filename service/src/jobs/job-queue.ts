/** What runs a job's shards: child processes here, AWS Batch there. */
export interface JobSubmission {
  /** Idempotent by this name: [A-Za-z0-9_-], at most 128 characters. */
  readonly jobId: string;
  /** 1-10,000; each shard is one child with AWS_BATCH_JOB_ARRAY_INDEX (none when there is just one). */
  readonly shards: number;
  /** Where job.json lies, e.g. `s3://bucket/jobs/<id>/job.json`: the worker's JOB_URI. */
  readonly jobUri: string;
  /** Extra environment for the worker (MODEL, trace context). */
  readonly environment?: Readonly<Record<string, string>>;
}

export type QueueState = 'SUBMITTED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

/** What the queue knows of a job; counts of children by state. */
export interface QueueStatus {
  readonly state: QueueState;
  readonly shards: Readonly<{ pending: number; running: number; succeeded: number; failed: number }>;
  readonly reason?: string;
}

/** Throws AppError QUEUE_UNAVAILABLE when it cannot be reached after retries. */
export interface JobQueue {
  /** True if the queue forgets its jobs when this process ends: a job that it does not know is started again, whatever its age. */
  readonly isVolatile?: boolean;
  /** Submitting the same jobId again while it is known returns the same reference. */
  submit(job: JobSubmission): Promise<{ readonly reference: string }>;
  /** Undefined when the queue knows no such job (any more). Bounded calls, whatever the number of shards. */
  status(reference: string): Promise<QueueStatus | undefined>;
  /** No error when it has ended already. */
  cancel(reference: string, reason: string): Promise<void>;
  close(): Promise<void>;
}
