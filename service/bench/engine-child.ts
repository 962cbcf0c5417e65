import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { argmax } from '../src/domain/prediction.ts';
import type { Opened, Times, Timing } from './subject-messages.ts';

// Loads one engine, classifies the picture, then times batches of it (see subject-messages.ts). Each engine has its own
// process, so that thread pools do not interfere, and imports only what it needs, because the start is measured.
//
//   node engine-child.js compiled|layers|onnx <model> <pixels: uint8 RGB> <manifest: JSON of its input>

const [kind = '', path = '', picture = '', manifestInput = '{}'] = process.argv.slice(2);

type Infer = (size: number) => Promise<Float32Array>;

/** `size` copies of one input. */
function repeat<T extends Uint8Array | Float32Array>(one: T, size: number): T {
  const batch = new (one.constructor as new (length: number) => T)(one.length * size);
  for (let i = 0; i < size; i++) batch.set(one, i * one.length);
  return batch;
}

const pixels = new Uint8Array(await readFile(picture));
const input = JSON.parse(manifestInput);
const [side, channels] = [input.height, 3];

async function normalised(layout: 'NHWC' | 'NCHW'): Promise<Float32Array> {
  const { createPreprocessor } = await import('../src/inference/image/preprocess.ts');
  const batch = new Float32Array(pixels.length);
  createPreprocessor({ ...input, layout })(pixels, batch, 0);
  return batch;
}

const LOADERS: Readonly<Record<string, () => Promise<Infer>>> = {
  async compiled() {
    const { loadCompiledModel } = await import('../src/inference/engines/runtimes/tensorflow-compiled.ts');
    const runtime = await loadCompiledModel({ path });
    const batches = new Map<number, Uint8Array<ArrayBuffer>>();
    return (size) => {
      const batch = batches.get(size) ?? repeat(pixels, size);
      batches.set(size, batch);
      return runtime.infer(batch, size);
    };
  },
  async layers() {
    const { loadTensorFlow } = await import('../src/inference/engines/runtimes/tensorflow.ts');
    const tf = loadTensorFlow();
    const model = await tf.loadLayersModel(`file://${path}`);
    const one = await normalised('NHWC');
    return async (size) => {
      const images = tf.tensor4d(repeat(one, size), [size, side, side, channels]);
      const output = model.predict(images) as typeof images;
      try {
        return (await output.data()) as Float32Array;
      } finally {
        tf.dispose([images, output]);
      }
    };
  },
  async onnx() {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
    const [output = ''] = session.outputNames;
    const one = await normalised('NCHW');
    return async (size) => {
      const images = new Tensor('float32', repeat(one, size), [size, channels, side, side]);
      return (await session.run({ input: images }))[output]?.data as Float32Array;
    };
  },
};

const send = (message: Opened | Times) => process.stdout.write(`${JSON.stringify(message)}\n`);

const infer = await (LOADERS[kind] as () => Promise<Infer>)();
const answer = await infer(1);
send({ index: argmax(answer) });

for await (const line of createInterface({ input: process.stdin })) {
  const { size, runs } = JSON.parse(line) as Timing;
  await infer(size);
  const milliseconds: number[] = [];
  const cpu = process.cpuUsage();
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await infer(size);
    milliseconds.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(cpu);
  send({ milliseconds, cpuMs: (user + system) / 1000 });
}
