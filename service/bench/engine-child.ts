import { performance } from 'node:perf_hooks';
import { loadTensorFlow, openTensorFlow } from '../src/inference/engines/tensorflow.ts';

// One engine in one process: opens it, answers once, reports how long that took since the process started, then times
// batches as it is told. It imports what an engine's thread imports, so that the start is the engine's own. The process keeps the engines' thread pools out of each other's way.

export type Kind = 'layers' | 'onnx' | `${'float32' | 'bfloat16'}-${'inputs' | 'constants'}`;
export type Report =
  | { readonly kind: 'open'; readonly milliseconds: number; readonly rss: number }
  | { readonly kind: 'times'; readonly milliseconds: readonly number[] };

const SIDE = 224;
const CLASSES = 1000;
const kind = process.argv[2] as Kind;
/** The SavedModel's folder, the model.json or the ONNX file. */
const path = process.argv[3] ?? '';

type Infer = (input: Float32Array, size: number) => Promise<unknown>;

async function open(): Promise<Infer> {
  if (kind === 'layers') {
    const tf = loadTensorFlow();
    const model = await tf.loadLayersModel(`file://${path}`);
    return async (input, size) => {
      const images = tf.tensor4d(input, [size, SIDE, SIDE, 3]);
      const output = model.predict(images) as typeof images;
      await output.data();
      tf.dispose([images, output]);
    };
  }
  if (kind === 'onnx') {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(path);
    return (input, size) => session.run({ input: new Tensor('float32', input, [size, 3, SIDE, SIDE]) });
  }
  const runtime = await openTensorFlow({
    engine: 'tensorflow',
    format: 'compiled',
    stage: kind.endsWith('inputs') ? 'inputs' : 'constants',
    path,
    inputShape: [SIDE, SIDE, 3],
    classes: CLASSES,
    warmUp: [],
  });
  return (input, size) => runtime.infer(input, size);
}

const image = (size: number) =>
  Float32Array.from({ length: size * SIDE * SIDE * 3 }, (_, i) => ((i * 7919) % 255) - 120);
const send = (report: Report) => process.send?.(report);

const infer = await open();
await infer(image(1), 1);
send({ kind: 'open', milliseconds: performance.now(), rss: process.memoryUsage.rss() });

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
