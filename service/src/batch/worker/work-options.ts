import type { Job } from '../../domain/job/job.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Tracing } from '../../telemetry/tracing.ts';
import type { ItemClassifier } from './item-classifier.ts';

export interface WorkOptions {
  readonly objects: ObjectStore;
  readonly classifier: ItemClassifier;
  readonly job: Job;
  /** AWS_BATCH_JOB_ARRAY_INDEX; 0 in a job of one shard. */
  readonly shard: number;
  /** Inputs that are read, classified or written concurrently; two to three full batches keep the engine busy. */
  readonly concurrency: number;
  /** Bytes of images in memory at once. */
  readonly maxBytesInFlight: number;
  readonly maxImageBytes: number;
  /** Stops the work at the end of the open chunks. */
  readonly stop: AbortSignal;
  /** How long the open chunks may take after `stop`, in ms; then they are aborted, and a later attempt repeats them. */
  readonly graceMs: number;
  /** Gets a span per chunk. */
  readonly tracing?: Tracing;
  /** Chunks in which an earlier process died: their inputs are processed one at a time. */
  readonly careful?: ReadonlySet<number>;
  /** Indexes in the shard of inputs that killed the process which worked them alone: each gets an error row. */
  readonly crashers?: ReadonlySet<number>;
  readonly progress?: WorkProgress;
  /** For the report of the job; see ReportOptions. */
  readonly thumbnail?: ((image: Uint8Array) => Promise<Buffer>) | undefined;
}

/** Reports to a supervisor, which thus knows the input that killed the process. The work awaits the promises. */
export interface WorkProgress {
  chunk(chunk: number, open: boolean): Promise<void>;
  /** `input` is the index in the shard of the only input in work; undefined once it is done. */
  alone(input: number | undefined): Promise<void>;
  /** An input is done. */
  done(): void;
}

export interface WorkResult {
  /** False if the work was stopped before its end: the next attempt does the rest. */
  readonly done: boolean;
  /** The job's deadline ended the work: no attempt does the rest. */
  readonly isPastDeadline: boolean;
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Chunks that an earlier attempt finished. */
  readonly skippedChunks: number;
  /** Rows of this attempt, by `OK` or error code. */
  readonly rows: Readonly<Record<string, number>>;
}
