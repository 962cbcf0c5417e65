import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { modelFolders } from '../../models/folders.ts';
import { readManifest } from '../../models/manifest.ts';
import { loadConfig } from '../src/config.ts';
import { loadTensorFlow, openTensorFlow } from '../src/inference/engines/tensorflow.ts';
import { onnxModel } from './onnx-model.ts';

// One engine in one process: opens it, answers once, reports how long that took since the process started, then times
// batches as it is told. The process keeps the engines' thread pools out of each other's way.

export type Kind = 'layers' | 'onnx' | `${'float32' | 'bfloat16'}-${'inputs' | 'constants'}`;
export type Report =
  | { readonly kind: 'open'; readonly milliseconds: number; readonly rss: number }
  | { readonly kind: 'times'; readonly milliseconds: readonly number[] };

const SIDE = 224;
const CLASSES = 1000;
const kind = process.argv[2] as Kind;
const { cacheDir, modelsDir } = loadConfig();
const manifest = await readManifest(join(modelsDir, 'resnet50'));
const folders = modelFolders(cacheDir, manifest);
const modelJson = join(folders.source, manifest.entry);

type Infer = (input: Float32Array, size: number) => Promise<unknown>;

async function open(): Promise<Infer> {
  if (kind === 'layers') {
    const tf = loadTensorFlow();
    const model = await tf.loadLayersModel(`file://${modelJson}`);
    return async (input, size) => {
      const images = tf.tensor4d(input, [size, SIDE, SIDE, 3]);
      const output = model.predict(images) as typeof images;
      await output.data();
      tf.dispose([images, output]);
    };
  }
  if (kind === 'onnx') {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(process.argv[3] ?? '');
    return (input, size) => session.run({ input: new Tensor('float32', input, [size, 3, SIDE, SIDE]) });
  }
  const [precision, stage] = kind.split('-') as ['float32', 'inputs'];
  const runtime = await openTensorFlow({
    engine: 'tensorflow',
    format: 'compiled',
    stage,
    path: folders.compiled(precision, stage),
    inputShape: [SIDE, SIDE, 3],
    classes: CLASSES,
    warmUp: [],
  });
  return (input, size) => runtime.infer(input, size);
}

const image = (size: number) =>
  Float32Array.from({ length: size * SIDE * SIDE * 3 }, (_, i) => ((i * 7919) % 255) - 120);
const send = (report: Report) => process.send?.(report);

if (kind === 'onnx' && process.argv[3] === undefined) {
  // Making the file is not part of what is measured.
  process.argv[3] = join(tmpdir(), `bench-${process.pid}.onnx`);
  await writeFile(process.argv[3], await onnxModel(modelJson));
  await readFile(process.argv[3]);
}
const started = process.argv[3] === undefined ? 0 : performance.now();
const infer = await open();
await infer(image(1), 1);
send({ kind: 'open', milliseconds: performance.now() - started, rss: process.memoryUsage.rss() });

process.on('message', async ({ size, runs }: { size: number; runs: number }) => {
  const input = image(size);
  await infer(input, size);
  const milliseconds: number[] = [];
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await infer(input, size);
    milliseconds.push(performance.now() - start);
  }
  send({ kind: 'times', milliseconds });
});
