import { readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import Table from 'cli-table3';
import { describeCpu, readCpu } from '../../models/cpu.ts';
import { parseManifest } from '../../models/manifest.ts';
import { loadLabels } from '../src/inference/labels.ts';
import { type Evaluation, evaluate, interval, type Share } from './evaluate.ts';
import { findImageModel } from './model.ts';
import { runProgram, showProgress } from './program.ts';

// npm run evaluate -- <model> <folder> [--write]: accuracy of each precision on labelled pictures.

const WRITE = '--write';

await runProgram(
  'evaluate',
  ['model', 'folder of pictures'],
  [WRITE],
  async ([name = '', pictures = ''], flags) => {
    const model = await findImageModel(name);
    const labels = await loadLabels(model.manifest.output, model.source);
    const progress = showProgress('evaluate', name);
    const evaluation = await evaluate({ model, labels, pictures, onProgress: progress.update });
    const { images, unreadable, unlabelled } = evaluation;
    progress.done(`${images} pictures, ${unreadable} unreadable, ${unlabelled} without a class`);
    process.stdout.write(`${name} ${model.manifest.version} on ${describeCpu(readCpu())}, 95 % intervals\n`);
    process.stdout.write(`${toTable(evaluation)}\n`);
    if (!flags.has(WRITE)) return;
    await writeEvaluation(join(model.folder, 'manifest.json'), evaluation, basename(resolve(pictures)));
  },
);

function toTable({ results }: Evaluation): string {
  const table = new Table({
    head: ['precision', 'top-1', 'top-5', 'same label as float32'],
    style: { head: [], border: [], compact: true },
  });
  for (const { precision, top1, top5, agreement } of results) {
    table.push([precision, ...[top1, top5, agreement].map(toText)]);
  }
  return table.toString();
}

function toText(share: Share): string {
  const [low, high] = interval(share);
  return `${(share.count / share.of).toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`;
}

/** Writes the result into the manifest, for PRECISION=auto and GET /models. */
async function writeEvaluation(
  file: string,
  { images, results }: Evaluation,
  dataset: string,
): Promise<void> {
  const manifest = JSON.parse(await readFile(file, 'utf8')) as { evaluation?: object };
  const round = ({ count, of }: Share) => Number((count / of).toFixed(4));
  manifest.evaluation = {
    dataset,
    images,
    precisions: Object.fromEntries(
      results.map(({ precision, top1, top5, agreement }) => [
        precision,
        { top1: round(top1), top5: round(top5), agreement: round(agreement) },
      ]),
    ),
  };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  parseManifest(text, file);
  await writeFile(file, text);
}
