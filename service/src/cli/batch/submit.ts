import { createHash, randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import {
  type Context,
  clientOf,
  JSON_OPTION,
  jsonLine,
  type ServiceOptions,
  wholeNumber,
  withExamples,
  withService,
} from '../context.ts';
import { EXIT, usageError } from '../failure.ts';
import { type FoundFile, findFiles } from '../files.ts';
import { formatBytes, plural } from '../format.ts';
import { startProgress } from '../progress.ts';
import type { ServiceClient } from '../service-client.ts';
import { printable } from '../terminal.ts';
import { type BatchJob, renderJobs } from './jobs.ts';
import { createForm, splitUpload } from './upload.ts';
import { watch } from './watch.ts';

/** Longest wait for the answer to an upload, in milliseconds. */
const UPLOAD_WITHIN_MS = 15 * 60_000;
const MAX_KEYS = 10_000;
/** Keys of the store; `./input/…` is a local folder of that name. */
const STORE_KEY = /^(input\/|s3:\/\/|file:\/\/)/;

interface SubmitOptions extends ServiceOptions {
  readonly topK?: number;
  readonly model?: string;
  readonly idempotencyKey?: string;
  readonly watch?: boolean;
  readonly json?: boolean;
}

/** `batch submit <prefix, keys, files or folders…>` */
export function addSubmit(batch: Command, context: Context): void {
  const command = batch
    .command('submit')
    .summary('make a job')
    .description(
      [
        'Makes a job, and prints its id.',
        '',
        'input/holiday/ or input/holiday*   every object of the store under that prefix',
        'input/a.jpg input/b.jpg            these objects of the store',
        'anything else                      local files and folders, which are uploaded; 1,000 files or 512 MiB make a job,',
        '                                   more make more jobs. Write ./input/ for a local folder of that name.',
      ].join('\n'),
    )
    .argument('<inputs...>', 'one prefix, or keys, or local files and folders')
    .option('-k, --top-k <n>', 'classes for each input; default 5', wholeNumber(1, 100))
    .option('-m, --model <name>', "a model of the service; default: the service's own default")
    .option(
      '--idempotency-key <key>',
      'the same key stands for the same job: submitting again makes no second one',
    )
    .option('-w, --watch', 'watch it until it has ended')
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
      : await upload(context, client, inputs, options);
  if (options.json && !options.watch) for (const job of jobs) await terminal.out(jsonLine(job));
  const jobIds = jobs.map(({ jobId }) => jobId);
  if (options.watch) {
    await watch(context, client, jobIds, options);
  } else if (!options.json) {
    await terminal.out(renderJobs(jobs, terminal));
    terminal.err(`\nwatch it with: ${context.invocation('batch', 'watch', ...jobIds)}\n`);
  }
  if (skipped > 0) context.exit(EXIT.someFailed);
}

/** A job of what is in the store. */
function submitKeys(
  client: ServiceClient,
  keys: readonly string[],
  options: SubmitOptions,
): Promise<BatchJob> {
  const prefixes = keys.filter((key) => /[/*]$/.test(key));
  if (prefixes.length > 0 && keys.length > 1) {
    throw usageError('a job has one prefix, or a list of keys; submit them one by one');
  }
  if (keys.length > MAX_KEYS) throw usageError(`a job takes up to ${MAX_KEYS} keys; name a prefix`);
  const [prefix] = prefixes;
  const source = prefix === undefined ? { objects: keys } : { prefix: prefix.replace(/\*$/, '') };
  const { topK, model, idempotencyKey = randomUUID() } = options;
  return client.json<BatchJob>('/batch', 'jobId', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: () => JSON.stringify({ ...source, topK, model, idempotencyKey }),
  });
}

/** Jobs of local files. Files that cannot be read are told on stderr and left out. */
async function upload(
  context: Context,
  client: ServiceClient,
  paths: readonly string[],
  options: SubmitOptions,
) {
  const { terminal } = context;
  const files: FoundFile[] = [];
  let skipped = 0;
  for (const found of await findFiles(paths, context.cwd)) {
    if (!('error' in found)) {
      files.push(found);
      continue;
    }
    skipped++;
    const { name, error } = found;
    terminal.err(
      `${terminal.errColours.red(`${error.code}`)} ${printable(name)}: ${printable(error.message)}\n`,
    );
  }
  if (files.length === 0) throw usageError('there is nothing to upload');
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress = startProgress(terminal, { doing: 'uploading', total, unit: 'bytes' });
  const parts = splitUpload(files);
  const key = options.idempotencyKey ?? randomUUID();
  const jobs: BatchJob[] = [];
  let before = 0;
  try {
    for (const [index, part] of parts.entries()) {
      const fields = {
        ...(options.topK === undefined ? {} : { topK: String(options.topK) }),
        ...(options.model === undefined ? {} : { model: options.model }),
        idempotencyKey: index === 0 ? key : partKey(key, index),
      };
      const start = before;
      const form = createForm(fields, part, (bytes) => progress.update(start + bytes));
      jobs.push(
        await client.json<BatchJob>('/batch', 'jobId', {
          method: 'POST',
          headers: { 'content-type': form.contentType },
          body: form.body,
          within: UPLOAD_WITHIN_MS,
        }),
      );
      before += part.reduce((sum, { bytes }) => sum + bytes, 0);
    }
  } catch (error) {
    progress.stop();
    if (jobs.length > 0) {
      const made = jobs.map(({ jobId }) => jobId).join(' ');
      terminal.err(`${plural(jobs.length, 'job')} of ${parts.length} made before it failed: ${made}\n`);
    }
    throw error;
  } finally {
    progress.stop();
  }
  if (!options.json) {
    terminal.err(
      terminal.errColours.dim(`${plural(files.length, 'file')} uploaded, ${formatBytes(total)}\n`),
    );
  }
  return { jobs, skipped };
}

/** Each part of an upload is a job of its own, whose key follows from the first one's. */
function partKey(key: string, index: number): string {
  return createHash('sha256').update(`${key}\n${index}`).digest('hex');
}
