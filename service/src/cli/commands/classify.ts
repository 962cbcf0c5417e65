import { addAbortSignal } from 'node:stream';
import type { Command } from 'commander';
import pLimit from 'p-limit';
import { formatDuration, formatNumber, plural } from '../../domain/format.ts';
import { createPredictor, type Predictor } from '../client/predictor.ts';
import {
  type Context,
  JSON_OPTION,
  jsonLine,
  type ServiceOptions,
  wholeNumber,
  withExamples,
  withService,
} from '../context.ts';
import { type CommandError, EXIT, toCommandError, usageError } from '../failure.ts';
import { type Found, findFiles, readImageFile, readStdin } from '../files.ts';
import { startProgress } from '../ui/progress.ts';
import { type ClassifyRow, renderRows } from './classify-table.ts';

interface ClassifyOptions extends ServiceOptions {
  readonly topK?: number;
  readonly model?: string;
  readonly concurrency: number;
  readonly local?: boolean;
  readonly json?: boolean;
}

/** Failures that every further image would repeat. */
const ENDS_ALL = new Set([
  'UNREACHABLE',
  'UNEXPECTED_ANSWER',
  'UNAUTHORIZED',
  'HOST_NOT_ALLOWED',
  'ORIGIN_NOT_ALLOWED',
  'NOT_FOUND',
  'MODEL_NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'INVALID_CONFIGURATION',
  'INVALID_MODEL',
  'INTERRUPTED',
]);

/** `classify <files or folders or - …>` */
export function addClassify(program: Command, context: Context): void {
  const command = program
    .command('classify')
    .summary('classify images')
    .description('Classifies images: files, folders (recursively), or one image on stdin (-).')
    .argument('<paths...>', 'files, folders, or - for stdin')
    .option(
      '-k, --top-k <n>',
      'classes per image; default 5, or 1 in a table of several images',
      wholeNumber(1, 100),
    )
    .option('-m, --model <name>', 'name of a model; default: that of the service')
    .option('-c, --concurrency <n>', 'concurrent requests', wholeNumber(1, 64), 8)
    .option('--local', 'load the model into this process instead of using a service')
    .option(...JSON_OPTION);
  withService(command).action((paths: string[], options: ClassifyOptions) =>
    classify(context, paths, options),
  );
  withExamples(command, [
    ['ml-serverless classify cat.jpg', 'the five likeliest classes'],
    ['ml-serverless classify photos/ *.png', 'a table, one line per image'],
    ['ml-serverless classify --local photos/', 'without a service'],
    ['curl -s https://example.com/a.jpg | ml-serverless classify -', 'from a pipe'],
    ["ml-serverless classify photos/ --json | jq -r 'select(.error) | .file'", 'the images that failed'],
  ]);
}

async function classify(context: Context, paths: readonly string[], options: ClassifyOptions): Promise<void> {
  const { terminal, signal } = context;
  if (paths.filter((path) => path === '-').length > 1) throw usageError('- (stdin) can be given once');
  if (options.local && options.url) throw usageError('give --local or --url, not both');
  const inputs: (Found | { readonly name: '-' })[] = [];
  for (const path of paths) {
    if (path === '-') inputs.push({ name: '-' });
    else inputs.push(...(await findFiles([path], context.cwd)));
  }
  const isTable = !options.json;
  const topK = options.topK ?? (isTable && inputs.length > 1 ? 1 : 5);
  const began = performance.now();
  const predictor = await createPredictor(context, options);
  const rows: (ClassifyRow | undefined)[] = inputs.map(() => undefined);
  let fatal: CommandError | undefined;
  try {
    fatal = await run(context, inputs, rows, predictor, { ...options, topK });
  } finally {
    await predictor.close();
  }
  const done = rows.filter((row) => row !== undefined);
  if (isTable && done.length > 0) await terminal.out(renderRows(done, terminal));
  if (fatal) throw fatal;
  const failed = done.filter((row) => row.error).length;
  if (isTable) terminal.err(summary(context, done.length, failed, (performance.now() - began) / 1000));
  signal.throwIfAborted();
  if (failed > 0) context.exit(EXIT.someFailed);
}

/** Fills `rows`; in JSON mode, prints them in order as they arrive. @returns the failure that ended the run early */
async function run(
  { terminal, signal }: Context,
  inputs: readonly (Found | { readonly name: '-' })[],
  rows: (ClassifyRow | undefined)[],
  predictor: Predictor,
  { topK, concurrency, json }: ClassifyOptions & { readonly topK: number },
): Promise<CommandError | undefined> {
  const progress = startProgress(terminal, { doing: 'classifying', total: inputs.length, unit: 'images' });
  const limit = pLimit(concurrency);
  let fatal: CommandError | undefined;
  let finished = 0;
  let printed = 0;
  const printReady = async () => {
    let text = '';
    for (let row = rows[printed]; row && printed < rows.length; row = rows[++printed]) text += jsonLine(row);
    if (text) await terminal.out(text);
  };
  const one = async (input: Found | { readonly name: '-' }, index: number) => {
    if (fatal || signal.aborted) return;
    const started = performance.now();
    const row = { file: input.name };
    try {
      if ('error' in input) throw input.error;
      const image = await ('path' in input
        ? readImageFile(input.path)
        : readStdin(addAbortSignal(signal, process.stdin)));
      const classification = await predictor.classify(image, topK);
      rows[index] = { ...row, elapsedMs: Math.round(performance.now() - started), ...classification };
    } catch (thrown) {
      const error = toCommandError(signal.aborted ? signal.reason : thrown);
      if (ENDS_ALL.has(error.code)) {
        fatal ??= error;
        return;
      }
      rows[index] = { ...row, error: { code: error.code, message: error.message } };
    }
    progress.update(++finished);
    if (json) await printReady();
  };
  try {
    await limit.map(inputs, one);
  } finally {
    progress.stop();
  }
  // Finished rows may follow one that was skipped.
  if (json) for (const row of rows.slice(printed)) if (row) await terminal.out(jsonLine(row));
  return fatal ?? (signal.aborted ? toCommandError(signal.reason) : undefined);
}

function summary({ terminal }: Context, count: number, failed: number, seconds: number): string {
  const { errColours: colours } = terminal;
  const facts = [plural(count, 'image'), formatDuration(seconds)];
  if (count > 1) facts.push(`${formatNumber(count / seconds)}/s`);
  const end = failed > 0 ? colours.dim(' · ') + colours.red(`${failed} failed`) : '';
  return `\n  ${colours.dim(facts.join(' · '))}${end}\n`;
}
