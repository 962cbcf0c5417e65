import { formatCount, formatDuration } from '../../../domain/format.ts';
import type { JobCounts, JobState } from '../../../domain/job/job.ts';
import { printable } from '../../../domain/printable.ts';
import type { BatchJob } from '../../../http/routes/batch/schema.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import { EXIT, type ExitStatus } from '../../failure.ts';
import { type Row, renderTable } from '../../ui/table.ts';
import type { Terminal } from '../../ui/terminal.ts';

export type { BatchJob };

/** @throws CommandError JOB_NOT_FOUND, and those of any request */
export function getJob(client: ServiceClient, jobId: string, patient = false): Promise<BatchJob> {
  return client.json<BatchJob>(`/batch/${jobId}`, 'jobId', { patient });
}

/** True if the job has ended; workers of a cancelled job may still be stopping. */
export const hasEnded = (job: BatchJob): boolean =>
  job.finishedAt !== undefined || ['SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'].includes(job.status);

/** The exit status for jobs that have ended. */
export const exitOf = (jobs: readonly BatchJob[]): ExitStatus =>
  jobs.every(({ status }) => status === 'SUCCEEDED') ? EXIT.ok : EXIT.someFailed;

/** The sum of the counts of several jobs. */
export function sumCounts(jobs: readonly BatchJob[]): JobCounts {
  const sum = { total: 0, succeeded: 0, failed: 0, pending: 0 };
  for (const { counts } of jobs) {
    for (const name of ['total', 'succeeded', 'failed', 'pending'] as const) sum[name] += counts[name];
  }
  return sum;
}

const COLUMNS = [
  { title: 'job' },
  { title: 'status' },
  { title: 'done', align: 'right' },
  { title: 'of', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'took', align: 'right' },
  { title: 'submitted' },
] as const;

/** A table of jobs. */
export function renderJobs(jobs: readonly BatchJob[], { colours, isTerminal }: Terminal): string {
  const paint: Record<JobState, (text: string) => string> = {
    SUBMITTED: colours.dim,
    RUNNING: colours.cyan,
    SUCCEEDED: colours.green,
    PARTIAL: colours.yellow,
    FAILED: colours.red,
    CANCELLED: colours.dim,
  };
  const rows = jobs.map(({ jobId, status, counts, createdAt, finishedAt }): Row => {
    const took = ((finishedAt ? Date.parse(finishedAt) : Date.now()) - Date.parse(createdAt)) / 1000;
    const cells = [
      jobId,
      (paint[status] ?? String)(status),
      formatCount(counts.succeeded + counts.failed),
      formatCount(counts.total),
      counts.failed > 0 ? colours.red(formatCount(counts.failed)) : '0',
      colours.dim(formatDuration(Math.max(0, took))),
      colours.dim(localTime(createdAt)),
    ];
    return { cells };
  });
  const reasons = jobs
    .filter(({ reason }) => reason)
    .map(({ jobId, reason }) => `  ${colours.dim(`${jobId}:`)} ${printable(reason ?? '')}\n`);
  return `${isTerminal ? '\n' : ''}${renderTable(COLUMNS, rows, colours.dim)}${reasons.join('')}`;
}

/** "2026-11-22 04:05", local time. */
function localTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
