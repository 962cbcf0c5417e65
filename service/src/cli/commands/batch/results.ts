import { type Command, Option } from 'commander';
import { resultHeader, resultLines } from '../../../domain/csv.ts';
import { plural } from '../../../domain/format.ts';
import { RESULT_FORMATS, type ResultFormat } from '../../../domain/job/job-layout.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import {
  type Context,
  clientOf,
  jobIdsOf,
  type ServiceOptions,
  withExamples,
  withService,
} from '../../context.ts';
import { unreachable, usageError } from '../../failure.ts';
import { startProgress } from '../../ui/progress.ts';
import { type BatchJob, getJob, hasEnded } from './jobs.ts';
import { readRows } from './rows.ts';

interface ResultsOptions extends ServiceOptions {
  readonly format?: ResultFormat;
  readonly csv?: boolean;
  readonly json?: boolean;
  readonly failed?: boolean;
}

/** `batch results <jobId>` */
export function addResults(batch: Command, context: Context): void {
  const command = batch
    .command('results')
    .summary('print the results of jobs')
    .description(
      'Prints every row so far, one JSON object per line: { key, etag, model, version, predictions }, or { key, error: { code, message } }.',
    )
    .argument('<jobIds...>', 'as batch submit and batch list print them')
    .addOption(
      new Option(
        '-f, --format <format>',
        'csv: one line per picture or row, with a header; parquet: the same for one job, into a file or pipe',
      )
        .choices(RESULT_FORMATS)
        .default('jsonl'),
    )
    .option('--csv', 'the same as --format csv')
    .option('--failed', 'only the inputs that failed')
    .option('--json', 'the same as --format jsonl');
  withService(command).action((jobIds: string[], options: ResultsOptions) =>
    results(context, jobIds, options),
  );
  withExamples(command, [
    ['ml-serverless batch results <jobId> > results.jsonl', 'everything'],
    ['ml-serverless batch results <jobId> --csv > results.csv', 'for a spreadsheet'],
    ['ml-serverless batch results <jobId> -f parquet > r.parquet', 'for DuckDB, pandas'],
    ['ml-serverless batch results <jobId> --failed', 'what failed, and why'],
  ]);
}

function formatOf({ format = 'jsonl', csv, json }: ResultsOptions): ResultFormat {
  if (csv && json) throw usageError('give --csv or --json, not both');
  return csv ? 'csv' : format;
}

async function results(context: Context, given: readonly string[], options: ResultsOptions): Promise<void> {
  const { terminal, signal } = context;
  const format = formatOf(options);
  const client = clientOf(context, options);
  // Rows on a terminal show by themselves how far they are.
  const quiet = terminal.isTerminal ? { ...terminal, live: undefined } : terminal;
  const progress = startProgress(quiet, { doing: 'reading results', total: 0, unit: 'images' });
  const jobs: BatchJob[] = [];
  let count = 0;
  try {
    // A job beyond the limit of inputs continues in another one.
    for (const jobIds = jobIdsOf(given); jobIds.length > 0; ) {
      const job = await getJob(client, jobIds.shift() as string);
      if (job.next !== undefined && !jobIds.includes(job.next)) jobIds.unshift(job.next);
      jobs.push(job);
    }
    const topK = Math.max(...jobs.map((job) => job.topK));
    const total = jobs.reduce((sum, { counts }) => sum + counts.total - counts.pending, 0);
    if (format === 'parquet') {
      await printParquet(context, client, jobs, options);
      count = total;
    } else {
      if (format === 'csv') await terminal.out(resultHeader(topK));
      for (const { jobId } of jobs) {
        const response = await client.request(`/batch/${jobId}/results`, { fromStore: true });
        for await (const { text, row } of readRows(response, signal)) {
          progress.update(++count, Math.max(total, count));
          if (options.failed && !row.error) continue;
          await terminal.out(format === 'csv' ? resultLines([row], topK) : `${text}\n`);
        }
      }
    }
  } finally {
    progress.stop();
  }
  const unfinished = jobs.filter((job) => !hasEnded(job));
  if (unfinished.length > 0) {
    const ids = unfinished.map(({ jobId }) => jobId);
    terminal.err(
      `${plural(count, 'row')} so far; the job is still running; to watch it: ${context.invocation('batch', 'watch', ...ids)}\n`,
    );
  }
}

/** The bytes of the service's Parquet file: one job, since two files do not make one. */
async function printParquet(
  { terminal, signal }: Context,
  client: ServiceClient,
  jobs: readonly BatchJob[],
  { failed }: ResultsOptions,
): Promise<void> {
  if (failed) throw usageError('--failed is for jsonl and csv');
  if (terminal.isTerminal) throw usageError('Parquet is binary; send it to a file: > results.parquet');
  const [job, another] = jobs;
  if (another)
    throw usageError(`a Parquet file holds one job; run it once per job, e.g. for ${another.jobId}`);
  const response = await client.request(`/batch/${job?.jobId}/results`, {
    searchParams: { format: 'parquet' },
    fromStore: true,
  });
  try {
    for await (const part of response.body ?? []) await terminal.out(part);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw unreachable('the results are truncated; try again', error);
  }
}
