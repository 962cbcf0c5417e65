/** A job for the queue, which runs each shard in a local child process or on AWS Batch. */
export interface JobSubmission {
  /** Makes submissions idempotent: [A-Za-z0-9_-], at most 128 characters. */
  readonly jobId: string;
  /** 1-10,000; each shard is one child with AWS_BATCH_JOB_ARRAY_INDEX, which a single shard does not have. */
  readonly shards: number;
  /** Address of job.json, e.g. `s3://bucket/jobs/<id>/job.json`: the worker's JOB_URI. */
  readonly jobUri: string;
  /** Extra environment for the worker (MODEL, trace context). */
  readonly environment?: Readonly<Record<string, string>>;
}

export type QueueState = 'SUBMITTED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

/** The queue's status of a job, with counts of its children. */
export interface QueueStatus {
  readonly state: QueueState;
  readonly shards: Readonly<{ pending: number; running: number; succeeded: number; failed: number }>;
  readonly reason?: string;
}

/** Every method throws AppError QUEUE_UNAVAILABLE if the queue cannot be reached after retries. */
export interface JobQueue {
  /** True if the queue forgets its jobs when this process ends; then a forgotten job of any age is started again. */
  readonly isVolatile?: boolean;
  /** While a jobId is known, submitting it again returns the same reference. */
  submit(job: JobSubmission): Promise<{ readonly reference: string }>;
  /** Undefined if the queue does not know the job. Takes a bounded number of requests for any number of shards. */
  status(reference: string): Promise<QueueStatus | undefined>;
  /** Does nothing if the job has ended. */
  cancel(reference: string, reason: string): Promise<void>;
  close(): Promise<void>;
}
