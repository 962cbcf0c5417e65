import {
  cancelledSchema,
  finalState,
  type Job,
  type JobCounts,
  type JobState,
  type Plan,
  planSchema,
  type Summary,
  submittedSchema,
  summarySchema,
} from '../domain/job/job.ts';
import { jobLayout, parseMarker } from '../domain/job/job-layout.ts';
import { maxChunks } from '../domain/job/shards.ts';
import type { JobQueue, QueueStatus } from '../jobs/job-queue.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readDocument, writeOnce } from './documents.ts';

/** Up to here progress is counted by chunk (at most ten pages of a listing), beyond it by shard. */
const COUNT_CHUNKS_UP_TO = 10_000;

/** A job that a queue with a memory has not known for this long will not be run any more by it. */
const FORGOTTEN_AFTER_MS = 24 * 3_600_000;

/** What GET /batch/{jobId} tells. */
export interface JobStatus {
  readonly jobId: string;
  readonly status: JobState;
  /** `total` is what is known so far while the job is being planned. */
  readonly counts: JobCounts;
  readonly model: string;
  readonly topK: number;
  readonly createdAt: string;
  readonly submittedAt?: string;
  readonly finishedAt?: string;
  readonly reason?: string;
  /** The job that holds the inputs beyond this one's last shard. */
  readonly next?: string;
}

/** A status, and whether the job needs to be started (again): it was not, or its queue does not know it. */
export interface Finding {
  readonly status: JobStatus;
  readonly isStranded: boolean;
}

/**
 * What has become of a job: from its summary if it has ended, else from markers in the store and one question to the
 * queue. Bounded: at most 20 pages of a listing and a handful of reads, whatever the number of inputs.
 */
export async function findStatus(objects: ObjectStore, queue: JobQueue, job: Job): Promise<Finding> {
  const layout = jobLayout(job.jobId);
  const [summary, plan, submitted, cancelled] = await Promise.all([
    readDocument(objects, layout.summary, summarySchema),
    readDocument(objects, layout.plan, planSchema),
    readDocument(objects, layout.submitted, submittedSchema),
    readDocument(objects, layout.cancelled, cancelledSchema),
  ]);
  const base = {
    jobId: job.jobId,
    model: job.model,
    topK: job.topK,
    createdAt: job.createdAt,
    ...(submitted ? { submittedAt: submitted.submittedAt } : {}),
    ...(plan?.next ? { next: plan.next } : {}),
  };
  if (summary) {
    const { state, counts, finishedAt, reason } = summary;
    const status = { ...base, status: state, counts, finishedAt, ...(reason ? { reason } : {}) };
    return { status, isStranded: false };
  }
  // The queue first, the markers after it: what the queue says has ended has left its markers by then.
  const known = submitted ? await queue.status(submitted.reference) : undefined;
  const progress = plan ? await countProgress(objects, job, plan) : undefined;
  const counts = progress?.counts ?? noCounts(job);

  const end = async (state: Summary['state'], reason?: string, finishedAt = new Date().toISOString()) => {
    const wanted = { state, counts, finishedAt, ...(reason ? { reason } : {}) };
    const stored = await writeOnce(objects, layout.summary, summarySchema, wanted);
    const { state: status, ...rest } = stored;
    return { status: { ...base, status, ...rest }, isStranded: false };
  };
  if (plan && progress?.shards === plan.shards) {
    return end(finalState(counts), undefined, progress.lastAt?.toISOString());
  }
  if (cancelled) {
    const hasStopped = known === undefined || !isActive(known);
    if (hasStopped) return end('CANCELLED', cancelled.reason, cancelled.cancelledAt);
    return { status: { ...base, status: 'CANCELLED', counts, reason: cancelled.reason }, isStranded: false };
  }
  if (known && !isActive(known))
    return end('FAILED', known.reason ?? 'workers ended without finishing their shards');
  const age = submitted ? Date.now() - Date.parse(submitted.submittedAt) : 0;
  if (!known && !queue.isVolatile && age > FORGOTTEN_AFTER_MS) {
    return end('FAILED', 'the queue does not know the job any more');
  }
  const isRunning = known?.state === 'RUNNING' || counts.pending < counts.total;
  return {
    status: { ...base, status: isRunning ? 'RUNNING' : 'SUBMITTED', counts },
    isStranded: known === undefined,
  };
}

function isActive({ state }: QueueStatus): boolean {
  return state === 'SUBMITTED' || state === 'RUNNING';
}

function noCounts(job: Job): JobCounts {
  const total = job.source.kind === 'objects' ? job.source.objects.length : 0;
  return { total, succeeded: 0, failed: 0, pending: total };
}

async function countProgress(objects: ObjectStore, job: Job, plan: Plan) {
  const layout = jobLayout(job.jobId);
  const shards = await countMarkers(objects, layout.shardMarkers);
  const byChunk =
    shards.found < plan.shards && maxChunks(plan.total, plan.shards, job.chunkSize) <= COUNT_CHUNKS_UP_TO;
  const { succeeded, failed } = byChunk ? await countMarkers(objects, layout.chunkMarkers) : shards;
  const counts = { total: plan.total, succeeded, failed, pending: plan.total - succeeded - failed };
  return { counts, shards: shards.found, lastAt: shards.lastAt };
}

async function countMarkers(objects: ObjectStore, prefix: string) {
  const ids = new Set<string>();
  const sum = { succeeded: 0, failed: 0 };
  let lastAt: Date | undefined;
  for await (const { key, lastModified } of objects.list(prefix)) {
    const marker = parseMarker(key);
    if (!marker || ids.has(marker.id)) continue;
    ids.add(marker.id);
    sum.succeeded += marker.succeeded;
    sum.failed += marker.failed;
    if (!lastAt || lastModified > lastAt) lastAt = lastModified;
  }
  return { ...sum, found: ids.size, lastAt };
}
