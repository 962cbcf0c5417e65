import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadTensorFlow } from '../../service/src/inference/engines/runtimes/tensorflow.ts';
import { loadCompiledModel } from '../../service/src/inference/engines/runtimes/tensorflow-compiled.ts';
import { compileLayersModel, readProgram } from '../compiler/compile.ts';
import { quantisedOps } from '../compiler/emit.ts';
import { createHistogram } from '../compiler/histogram.ts';
import type { PixelInput } from '../compiler/pixels.ts';

const tf = loadTensorFlow();
const skip = process.arch === 'x64' ? false : 'int8 kernels exist on x86-64 only';
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'int8-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const RGB: PixelInput = {
  channels: 'RGB',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.23, 0.22, 0.22],
};
const BGR: PixelInput = { channels: 'BGR', scale: 1, mean: [104, 117, 123.7], std: [1, 1, 1] };
const GRAY: PixelInput = { channels: 'GRAY', scale: 1 / 127.5, mean: [1], std: [1] };
/** No pixel stands for zero: the first convolution has to read normalised numbers. */
const OFF_SCALE: PixelInput = { channels: 'RGB', scale: 1, mean: [-20, 0, 0], std: [60, 60, 60] };

function noise(length: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Residual blocks, ReLU6, pooling with padding, a depthwise layer: whatever int8 quantises, and what it must not. */
async function saveModel(name: string, channels: number, padding: 'same' | 'valid'): Promise<string> {
  const { layers } = tf;
  const conv = (filters: number, options: object = {}) =>
    layers.conv2d({ filters, kernelSize: 3, padding: 'same', ...options });
  const input = tf.input({ shape: [20, 24, channels] });
  type Node = ReturnType<typeof tf.input>;
  let x = conv(8, { strides: 2, padding, activation: 'relu' }).apply(input) as Node;
  x = layers.zeroPadding2d({ padding: 1 }).apply(x) as Node;
  x = layers.maxPooling2d({ poolSize: 3, strides: 1 }).apply(x) as Node;
  const branch = conv(8).apply(conv(12, { activation: 'relu' }).apply(x)) as Node;
  x = layers.reLU().apply(layers.add().apply([branch, x])) as Node;
  x = layers.reLU({ maxValue: 6 }).apply(conv(7).apply(x)) as Node;
  x = layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', activation: 'relu' }).apply(x) as Node;
  x = conv(16, { activation: 'relu' }).apply(x) as Node;
  const pooled = layers.globalAveragePooling2d({}).apply(x) as Node;
  const model = tf.model({
    inputs: input,
    outputs: layers.dense({ units: 6, activation: 'softmax' }).apply(pooled) as Node,
  });
  const weights = model.getWeights().map(({ shape }, index) => {
    const length = shape.reduce((product, side) => product * side, 1);
    // Scaled so that activations keep their size from layer to layer, and differences between pictures reach the end.
    const scale =
      shape.length === 1
        ? 0.25
        : Math.sqrt((6 * (shape.at(-1) ?? 1)) / length) * (shape.length === 2 ? 4 : 1);
    return tf.tensor(
      noise(length, index + 3).map((value) => value * scale),
      shape,
    );
  });
  model.setWeights(weights);
  await model.save(`file://${join(folder, name)}`);
  return join(folder, name, 'model.json');
}

const picture = (channels: number, seed: number) =>
  Uint8Array.from(
    noise(20 * 24 * channels, seed),
    (value, i) => 128 + 60 * value + 60 * Math.sin(i / (9 + seed)),
  );

/** Ranges as calibration finds them, from the float graph's own outputs. */
async function calibrated(modelJson: string, pixels: PixelInput, channels: number): Promise<string> {
  const { loadOutputs } = await import('../../service/src/inference/engines/runtimes/tensorflow-graph.ts');
  const outDir = `${modelJson}.float`;
  await compileLayersModel({ modelJson, outDir, variant: 'float32-portable', pixels });
  const convolutions = quantisedOps(await readProgram(modelJson), pixels);
  const run = await loadOutputs(
    outDir,
    convolutions.map(({ name }) => name),
  );
  const histograms = convolutions.map(() => createHistogram());
  for (let seed = 1; seed <= 20; seed++) {
    run(picture(channels, seed)).forEach((values, index) => {
      histograms[index]?.add(values);
    });
  }
  const ranges = convolutions.map((op, i) => [op.name, histograms[i]?.bestRange(op.activation ? 255 : 127)]);
  const file = join(folder, 'ranges.json');
  const calibration = { images: 20, method: 'least-squares', digest: '0'.repeat(64) };
  const document = {
    schemaVersion: 1,
    model: 'x',
    version: '1',
    calibration,
    ranges: Object.fromEntries(ranges),
  };
  await writeFile(file, JSON.stringify(document));
  return file;
}

for (const [name, pixels, padding, direct] of [
  ['RGB', RGB, 'same', true],
  ['BGR', BGR, 'valid', true],
  ['grey', GRAY, 'same', true],
  ['off-scale', OFF_SCALE, 'same', false],
] as const) {
  test(`int8 answers nearly what float32 does, on ${name} pixels`, { skip }, async (t) => {
    const channels = pixels.channels === 'GRAY' ? 1 : 3;
    const modelJson = await saveModel(name, channels, padding);
    const file = await calibrated(modelJson, pixels, channels);
    const outDir = join(folder, `${name}-int8`);
    await compileLayersModel({ modelJson, outDir, variant: 'int8', pixels, ranges: { file, version: '1' } });
    const { input } = JSON.parse(await readFile(join(outDir, 'graph.json'), 'utf8'));
    assert.equal(input.border !== undefined, direct, 'the first convolution reads the pixels themselves');
    const [float, int8] = await Promise.all([
      loadCompiledModel({ path: `${modelJson}.float` }),
      loadCompiledModel({ path: outDir }),
    ]);
    const batch = Uint8Array.from([...picture(channels, 31), ...picture(channels, 32)]);
    const expected = await float.infer(batch, 2);
    const actual = await int8.infer(batch, 2);
    const difference = Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? Number.NaN))));
    t.diagnostic(`largest difference ${difference.toExponential(1)}`);
    assert.ok(difference < 0.01, `differs by ${difference}`);
  });
}

test('a histogram finds the range with the smallest rounding error', () => {
  const histogram = createHistogram();
  histogram.add(Float32Array.from({ length: 2_000_000 }, (_, i) => i / 2_000_000));
  assert.ok(histogram.bestRange(255) > 0.98, 'values that fill their range keep it');
  histogram.add(Float32Array.of(40));
  const range = histogram.bestRange(255);
  assert.ok(range >= 8 && range < 40, `one outlier is clipped: ${range}`);
});
