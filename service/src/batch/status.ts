import {
  cancelledSchema,
  finalState,
  isPastDeadline,
  type Job,
  type JobCounts,
  type JobState,
  type ShardPlan,
  type Summary,
  shardPlanSchema,
  submittedSchema,
  summarySchema,
} from '../domain/job/job.ts';
import { jobLayout, parseMarker } from '../domain/job/job-layout.ts';
import { maxChunks } from '../domain/job/shards.ts';
import type { JobQueue, QueueStatus } from '../jobs/job-queue.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { exists, readDocument, writeOnce } from './documents.ts';
import { readOpenChunks } from './open-chunks.ts';

/** With more chunks (ten pages of a listing), progress is counted by shard. */
const COUNT_CHUNKS_UP_TO = 10_000;

/** A persistent queue that does not know a job this long after its submission will not run it. */
const FORGOTTEN_AFTER_MS = 24 * 3_600_000;

/** The response of GET /batch/{jobId}, without links. */
export interface JobStatus {
  readonly jobId: string;
  readonly status: JobState;
  /** While the job is planned, `total` is 0 for a prefix. */
  readonly counts: JobCounts;
  readonly model: string;
  readonly topK: number;
  readonly createdAt: string;
  readonly submittedAt?: string;
  readonly finishedAt?: string;
  readonly deadline?: string;
  readonly reason?: string;
  /** The job that holds the inputs beyond this one's last shard. */
  readonly next?: string;
}

export interface JobLookup {
  readonly status: JobStatus;
  /** The job was not submitted, or its queue has forgotten it. */
  readonly needsStart: boolean;
}

/**
 * Reads the status of a job: from its summary if it has ended, otherwise from its markers and one request to the queue.
 * Takes at most 30 pages of listings and 70 reads for any number of inputs. Writes the summary when the job has ended.
 */
export async function lookUpJob(objects: ObjectStore, queue: JobQueue, job: Job): Promise<JobLookup> {
  const layout = jobLayout(job.jobId);
  const [summary, plan, submitted, cancelled] = await Promise.all([
    readDocument(objects, layout.summary, summarySchema),
    readDocument(objects, layout.plan, shardPlanSchema),
    readDocument(objects, layout.submitted, submittedSchema),
    readDocument(objects, layout.cancelled, cancelledSchema),
  ]);
  const base = {
    jobId: job.jobId,
    model: job.model,
    topK: job.topK,
    createdAt: job.createdAt,
    ...(job.deadline ? { deadline: job.deadline } : {}),
    ...(submitted ? { submittedAt: submitted.submittedAt } : {}),
    ...(plan?.next ? { next: plan.next } : {}),
  };
  if (summary) {
    const { state, counts, finishedAt, reason } = summary;
    const status = { ...base, status: state, counts, finishedAt, ...(reason ? { reason } : {}) };
    return { status, needsStart: false };
  }
  // Ask the queue before the markers are listed: a worker writes its markers before it ends.
  const known = submitted ? await queue.status(submitted.reference) : undefined;
  const progress = plan ? await countProgress(objects, job, plan) : undefined;
  const counts = progress?.counts ?? noCounts(job);

  const end = async (state: Summary['state'], reason?: string, finishedAt = new Date().toISOString()) => {
    const wanted = { state, counts, finishedAt, ...(reason ? { reason } : {}) };
    const stored = await writeOnce(objects, layout.summary, summarySchema, wanted);
    const { state: status, ...rest } = stored;
    return { status: { ...base, status, ...rest }, needsStart: false };
  };
  const hasAllRows = plan !== undefined && progress?.shards === plan.shards;
  if (hasAllRows && (job.results !== 'rows' || (await exists(objects, layout.resultFiles.jsonl)))) {
    return end(finalState(counts), undefined, progress?.lastAt?.toISOString());
  }
  if (cancelled) {
    const hasStopped = known === undefined || !isActive(known);
    if (hasStopped) return end('CANCELLED', cancelled.reason, cancelled.cancelledAt);
    return { status: { ...base, status: 'CANCELLED', counts, reason: cancelled.reason }, needsStart: false };
  }
  const age = submitted ? Date.now() - Date.parse(submitted.submittedAt) : 0;
  const isForgotten = !known && !queue.isVolatile && age > FORGOTTEN_AFTER_MS;
  // Workers that stop at the deadline succeed without the marker of their shard.
  if (isPastDeadline(job) && plan && !hasAllRows && (known?.state === 'SUCCEEDED' || isForgotten)) {
    return end('PARTIAL', `DEADLINE: stopped at ${job.deadline} with ${counts.pending} inputs pending`);
  }
  if (known && !isActive(known)) {
    if (hasAllRows) return end(finalState(counts), `no result files: ${known.reason ?? 'the workers ended'}`);
    return end('FAILED', known.reason ?? 'workers ended without finishing their shards');
  }
  if (isForgotten) return end('FAILED', 'the queue has forgotten the job');
  const isRunning = known?.state === 'RUNNING' || counts.pending < counts.total;
  return {
    status: { ...base, status: isRunning ? 'RUNNING' : 'SUBMITTED', counts },
    needsStart: known === undefined,
  };
}

function isActive({ state }: QueueStatus): boolean {
  return state === 'SUBMITTED' || state === 'RUNNING';
}

function noCounts(job: Job): JobCounts {
  const total = job.source.kind === 'objects' ? job.source.objects.length : 0;
  return { total, succeeded: 0, failed: 0, pending: total };
}

async function countProgress(objects: ObjectStore, job: Job, plan: ShardPlan) {
  const layout = jobLayout(job.jobId);
  const canCountChunks = maxChunks(plan.total, plan.shards, job.chunkSize) <= COUNT_CHUNKS_UP_TO;
  const openChunks = canCountChunks ? await readOpenChunks(objects, job.jobId) : new Map();
  const shards = await countMarkers(objects, layout.shardMarkers);
  const byChunk = canCountChunks && shards.found < plan.shards;
  const { succeeded, failed } = byChunk
    ? await countMarkers(objects, layout.chunkMarkers, openChunks)
    : shards;
  const counts = { total: plan.total, succeeded, failed, pending: plan.total - succeeded - failed };
  return { counts, shards: shards.found, lastAt: shards.lastAt };
}

/**
 * Sums up the counts in markers, and those of `openChunks` that have no marker. Of two markers of a chunk, which two
 * workers may have written, one counts.
 */
export async function countMarkers(
  objects: ObjectStore,
  prefix: string,
  openChunks: ReadonlyMap<string, Pick<JobCounts, 'succeeded' | 'failed'>> = new Map(),
) {
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
  for (const [id, { succeeded, failed }] of openChunks) {
    if (ids.has(id)) continue;
    sum.succeeded += succeeded;
    sum.failed += failed;
  }
  return { ...sum, found: ids.size, lastAt };
}
