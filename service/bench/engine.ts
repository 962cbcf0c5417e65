import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelFolders } from '../../models/folders.ts';
import { readManifest } from '../../models/manifest.ts';
import { loadConfig } from '../src/config.ts';
import { nativePrecision } from '../src/inference/engines/select.ts';
import type { Kind, Report } from './engine-child.ts';
import { onnxModel } from './onnx-model.ts';
import { median, megabytes, ms, printTable, ratio } from './table.ts';

const CHILD = fileURLToPath(new URL('./engine-child.js', import.meta.url));
const ROUNDS = 5;
/** Runs a round, by batch size. */
const RUNS = { 1: 8, 8: 3, 16: 2 } as const;

export interface EngineRates {
  /** Images a second at the best batch size, by engine. */
  readonly best: Readonly<Record<string, number>>;
}

interface Subject {
  readonly kind: Kind;
  readonly child: ChildProcess;
  readonly open: Extract<Report, { kind: 'open' }>;
  /** Milliseconds an image, by batch size. */
  readonly times: Map<number, number[]>;
}

/** Where each kind of engine finds the weights; the ONNX file is made here, outside of what is measured. */
async function modelPaths(folder: string): Promise<(kind: Kind) => string> {
  const { cacheDir, modelsDir } = loadConfig();
  const manifest = await readManifest(join(modelsDir, 'resnet50'));
  const folders = modelFolders(cacheDir, manifest);
  const modelJson = join(folders.source, manifest.entry);
  const onnx = join(folder, 'model.onnx');
  await writeFile(onnx, await onnxModel(modelJson));
  return (kind) => {
    if (kind === 'layers') return modelJson;
    if (kind === 'onnx') return onnx;
    const [precision, stage] = kind.split('-') as ['float32', 'inputs'];
    return folders.compiled(precision, stage);
  };
}

async function start(kind: Kind, path: string): Promise<Subject> {
  const child = fork(CHILD, [kind, path], { env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' } });
  const [open] = (await once(child, 'message')) as [Extract<Report, { kind: 'open' }>];
  return { kind, child, open, times: new Map() };
}

/** Every engine on the same weights, round after round in turn, so that a noisy minute hits them all. */
export async function benchEngines(): Promise<EngineRates> {
  const kinds: Kind[] = ['layers', 'onnx', 'float32-inputs', 'float32-constants'];
  if (nativePrecision() === 'bfloat16') kinds.push('bfloat16-inputs', 'bfloat16-constants');
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const pathOf = await modelPaths(folder);
  const subjects: Subject[] = [];
  for (const kind of kinds) subjects.push(await start(kind, pathOf(kind)));
  await rm(folder, { recursive: true, force: true });
  for (let round = 0; round < ROUNDS; round++) {
    for (const subject of subjects) {
      for (const [size, runs] of Object.entries(RUNS)) {
        subject.child.send({ size: Number(size), runs });
        const [report] = (await once(subject.child, 'message')) as [Extract<Report, { kind: 'times' }>];
        const perImage = report.milliseconds.map((value) => value / Number(size));
        subject.times.set(Number(size), [...(subject.times.get(Number(size)) ?? []), ...perImage]);
      }
    }
  }
  for (const { child } of subjects) child.kill();
  const [layers] = subjects;
  const at = (subject: Subject | undefined, size: number) => median(subject?.times.get(size) ?? []);
  printTable(
    `ResNet-50, milliseconds an image (medians of ${ROUNDS} rounds) and how many times as fast as tf.loadLayersModel`,
    ['engine', 'batch 1', '', 'batch 8', '', 'batch 16', ''],
    subjects.map((subject) => [
      NAMES[subject.kind],
      ...[1, 8, 16].flatMap((size) => [ms(at(subject, size)), ratio(at(layers, size) / at(subject, size))]),
    ]),
  );
  printTable(
    'From the start of the process to the first answer (warm disk)',
    ['engine', 'time', 'resident memory then'],
    subjects.map(({ kind, open }) => [NAMES[kind], ms(open.milliseconds), megabytes(open.rss)]),
  );
  const best = subjects.map((subject) => [
    subject.kind,
    1000 / Math.min(...[1, 8, 16].map((size) => at(subject, size))),
  ]);
  return { best: Object.fromEntries(best) };
}

const NAMES: Record<Kind, string> = {
  layers: 'tf.loadLayersModel',
  onnx: 'onnxruntime-node',
  'float32-inputs': 'ours, float32, weights as inputs',
  'float32-constants': 'ours, float32, weights as constants',
  'bfloat16-inputs': 'ours, bfloat16, weights as inputs',
  'bfloat16-constants': 'ours, bfloat16, weights as constants',
};
