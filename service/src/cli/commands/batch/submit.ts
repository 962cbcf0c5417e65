import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import { RESULT_KINDS } from '../../../domain/job/job.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import {
  type Context,
  clientOf,
  JSON_OPTION,
  jsonLine,
  type ServiceOptions,
  wholeNumber,
  withExamples,
  withService,
} from '../../context.ts';
import { EXIT, usageError } from '../../failure.ts';
import { type BatchJob, renderJobs } from './jobs.ts';
import { MAX_PART_BYTES } from './upload.ts';
import { type JobOptions, uploadJobs } from './upload-jobs.ts';
import { watch } from './watch.ts';

const MAX_KEYS = 10_000;
/** Keys of the store; `./input/…` is a local folder of that name. */
const STORE_KEY = /^(input\/|s3:\/\/|file:\/\/)/;

interface SubmitOptions extends ServiceOptions, JobOptions {
  readonly watch?: boolean;
}

/** `batch submit <prefix, keys, files or folders…>` */
export function addSubmit(batch: Command, context: Context): void {
  const command = batch
    .command('submit')
    .summary('submit a job')
    .description(
      [
        'Submits a job and prints its id. The inputs are one of:',
        '',
        '  input/holiday/  all objects of the store with that prefix',
        '  input/holiday*  likewise, for a part of a name',
        '  input/a.jpg …   objects of the store',
        '  anything else   local files and folders, which are uploaded;',
        '                  ./input/ is a local folder of that name',
        '',
        `More than 1,000 files or ${MAX_PART_BYTES / 2 ** 20} MiB to upload (on Lambda 4.4 MB) become several jobs.`,
      ].join('\n'),
    )
    .argument('<inputs...>', 'one prefix, or keys, or local files and folders')
    .option('-k, --top-k <n>', 'classes per image; default 5', wholeNumber(1, 100))
    .option('-m, --model <name>', 'name of a model; default: that of the service')
    .addOption(
      new Option(
        '--results <kind>',
        'rows: no result object per input, but one file at the end (jobs/<jobId>/results.jsonl.gz)',
      ).choices(RESULT_KINDS),
    )
    .option('--idempotency-key <key>', 'submitting again with the same key creates no second job')
    .option('--deadline <time>', 'ISO 8601 time at which the job stops early')
    .option('-w, --watch', 'watch it until it ends')
    .option(...JSON_OPTION);
  withService(command).action((inputs: string[], options: SubmitOptions) => submit(context, inputs, options));
  withExamples(command, [
    ['ml-serverless batch submit photos/ --watch', 'upload a folder, watch the job'],
    ['ml-serverless batch submit input/holiday/', 'objects of the store by prefix'],
    ['ml-serverless batch submit input/a.jpg input/b.jpg', 'objects of the store by key'],
    ['id=$(ml-serverless batch submit photos/ --json | jq -r .jobId)', 'the id, for a script'],
  ]);
}

async function submit(context: Context, inputs: readonly string[], options: SubmitOptions): Promise<void> {
  const { terminal } = context;
  const keys = inputs.filter((input) => STORE_KEY.test(input));
  if (keys.length > 0 && keys.length < inputs.length) {
    throw usageError('give keys of the store (input/…) or local files, not both; ./input/ is a local folder');
  }
  const client = clientOf(context, options);
  const { jobs, skipped } =
    keys.length > 0
      ? { jobs: [await submitKeys(client, keys, options)], skipped: 0 }
      : await uploadJobs(context, client, inputs, options);
  if (options.json && !options.watch) for (const job of jobs) await terminal.out(jsonLine(job));
  const jobIds = jobs.map(({ jobId }) => jobId);
  if (options.watch) {
    await watch(context, client, jobIds, options);
  } else if (!options.json) {
    await terminal.out(renderJobs(jobs, terminal));
    terminal.err(
      `\n  ${terminal.errColours.dim('to watch it:')} ${context.invocation('batch', 'watch', ...jobIds)}\n`,
    );
  }
  if (skipped > 0) context.exit(EXIT.someFailed);
}

/** Submits a job of objects of the store. */
function submitKeys(
  client: ServiceClient,
  keys: readonly string[],
  options: SubmitOptions,
): Promise<BatchJob> {
  const prefixes = keys.filter((key) => /[/*]$/.test(key));
  if (prefixes.length > 0 && keys.length > 1) {
    throw usageError('a job takes one prefix or a list of keys; submit several jobs');
  }
  if (keys.length > MAX_KEYS) throw usageError(`a job takes up to ${MAX_KEYS} keys; name a prefix`);
  const [prefix] = prefixes;
  const source = prefix === undefined ? { objects: keys } : { prefix: prefix.replace(/\*$/, '') };
  const { topK, model, results, deadline, idempotencyKey = randomUUID() } = options;
  return client.json<BatchJob>('/batch', 'jobId', {
    method: 'POST',
    json: { ...source, topK, model, results, deadline, idempotencyKey },
  });
}
