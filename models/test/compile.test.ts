import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../../service/src/config/config.ts';
import { loadTensorFlow } from '../../service/src/inference/engines/runtimes/tensorflow.ts';
import { loadCompiledModel } from '../../service/src/inference/engines/runtimes/tensorflow-compiled.ts';
import { compileLayersModel } from '../compiler/compile.ts';
import { precisionOf, type Variant } from '../compiler/variants.ts';
import { describeCpu, readCpu, variantsOf } from '../cpu.ts';
import { modelFolders } from '../folders.ts';
import { readManifest } from '../manifest.ts';

const tf = loadTensorFlow();
/** The largest difference in probability that each variant may have. */
const VARIANTS: readonly (readonly [Variant, number])[] = [
  ['float32', 1e-5],
  ['float32-portable', 1e-5],
  ['bfloat16', 2e-2],
];

const cpu = readCpu();
/** False, or why this CPU cannot run a variant. */
const unavailable = (variant: Variant): string | false =>
  variantsOf(cpu, precisionOf(variant)).includes(variant) ? false : `not on ${describeCpu(cpu)}`;

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compile-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Reproducible noise between -1 and 1, so that a failure can be looked into. */
function noise(length: number, seed = 1): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Weights as training leaves them: initial ones would hide a batch norm that is folded wrongly (its scale is 1, its offset 0). */
function train(model: { getWeights(): { shape: number[] }[]; setWeights(weights: unknown[]): void }): void {
  const weights = model.getWeights().map(({ shape }, index) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const values = noise(length, index + 7).map((value) =>
      shape.length === 1 ? Math.abs(value) + 0.1 : value / 3,
    );
    return tf.tensor(values, shape);
  });
  model.setWeights(weights);
}

/** A small network with every layer the compiler knows, in the arrangements it fuses and in those it must not. */
function everyLayer() {
  const { layers } = tf;
  const input = tf.input({ shape: [16, 12, 3] });
  let x = layers
    .zeroPadding2d({
      padding: [
        [1, 2],
        [0, 1],
      ],
    })
    .apply(input) as ReturnType<typeof tf.input>;
  x = layers
    .conv2d({ filters: 8, kernelSize: 3, strides: 2, padding: 'valid', name: 'padded' })
    .apply(x) as typeof x;
  x = layers.batchNormalization({ name: 'folded' }).apply(x) as typeof x;
  const trunk = layers.activation({ activation: 'relu' }).apply(x) as typeof x;
  let branch = layers
    .conv2d({ filters: 8, kernelSize: [3, 1], padding: 'same', useBias: false })
    .apply(trunk) as typeof x;
  branch = layers.batchNormalization({ scale: false }).apply(branch) as typeof x;
  x = layers.add().apply([branch, trunk]) as typeof x;
  x = layers.reLU({ maxValue: 6 }).apply(x) as typeof x;
  const left = layers
    .depthwiseConv2d({ kernelSize: 3, padding: 'same', depthMultiplier: 2, activation: 'relu6' as 'relu' })
    .apply(x) as typeof x;
  const right = layers
    .conv2d({ filters: 16, kernelSize: 1, dilationRate: 1, activation: 'relu' })
    .apply(x) as typeof x;
  x = layers.add().apply([left, right]) as typeof x;
  x = layers.batchNormalization({ center: false }).apply(x) as typeof x;
  x = layers.maxPooling2d({ poolSize: 2, strides: 1, padding: 'same' }).apply(x) as typeof x;
  x = layers.averagePooling2d({ poolSize: 2, strides: 2, padding: 'valid' }).apply(x) as typeof x;
  const pooled = layers.globalAveragePooling2d({}).apply(x) as typeof x;
  const flat = layers.flatten().apply(x) as typeof x;
  const first = layers.dense({ units: 10 }).apply(layers.dropout({ rate: 0.5 }).apply(flat)) as typeof x;
  const second = layers.dense({ units: 10, activation: 'relu' }).apply(pooled) as typeof x;
  x = layers.softmax().apply(layers.add().apply([first, second])) as typeof x;
  return tf.model({ inputs: input, outputs: x });
}

async function largestDifference(modelJson: string, outDir: string, size: number, variant: Variant) {
  await compileLayersModel({ modelJson, outDir, variant });
  const reference = await tf.loadLayersModel(`file://${modelJson}`);
  const [, height, width, channels] = (reference.inputs[0]?.shape ?? []) as [null, number, number, number];
  const input = noise(size * height * width * channels).map((value) => value * 120);
  const expected = tf.tidy(() =>
    (
      reference.predict(tf.tensor4d(input, [size, height, width, channels])) as { dataSync(): Float32Array }
    ).dataSync(),
  );
  const runtime = await loadCompiledModel({ path: outDir });
  const actual = await runtime.infer(input, size);
  assert.equal(actual.length, expected.length);
  return actual.reduce(
    (largest, value, i) => Math.max(largest, Math.abs(value - (expected[i] ?? Number.NaN))),
    0,
  );
}

describe('the compiler', () => {
  for (const [variant, tolerance] of VARIANTS) {
    it(`keeps the meaning of every layer it knows, as ${variant}`, {
      skip: unavailable(variant),
    }, async (t) => {
      const model = everyLayer();
      train(model as never);
      await model.save(`file://${join(folder, 'every-layer')}`);
      const out = join(folder, `every-${variant}`);
      const difference = await largestDifference(join(folder, 'every-layer', 'model.json'), out, 3, variant);
      t.diagnostic(`largest difference ${difference.toExponential(1)}`);
      assert.ok(difference <= tolerance, `differs by ${difference}`);
    });
  }

  for (const [variant, tolerance] of VARIANTS) {
    it(`makes a ResNet-50 equal to tf.loadLayersModel, as ${variant}`, {
      skip: unavailable(variant),
    }, async (t) => {
      const { cacheDir, modelsDir } = loadConfig();
      const manifest = await readManifest(join(modelsDir, 'resnet50'));
      const modelJson = join(modelFolders(cacheDir, manifest).source, manifest.entry);
      const difference = await largestDifference(modelJson, join(folder, variant), 2, variant);
      t.diagnostic(`largest difference ${difference.toExponential(1)}`);
      assert.ok(difference <= tolerance, `differs by ${difference}`);
    });
  }

  it('reads a Sequential model too', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [8, 8, 1], filters: 4, kernelSize: 3, activation: 'relu' }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    train(model as never);
    await model.save(`file://${join(folder, 'sequential')}`);
    const difference = await largestDifference(
      join(folder, 'sequential', 'model.json'),
      join(folder, 'sequential-out'),
      2,
      'float32',
    );
    assert.ok(difference <= 1e-5, `differs by ${difference}`);
  });

  const refusals = [
    [
      'a layer it does not know',
      () => tf.layers.upSampling2d({ name: 'bigger' }),
      /layer "bigger" is a UpSampling2D, which the compiler does not know \(it knows .*Conv2D/,
    ],
    [
      'a setting it does not know',
      () => tf.layers.conv2d({ name: 'odd', filters: 2, kernelSize: 1, activation: 'elu' }),
      /layer "odd" \(Conv2D\): the compiler does not know activation="elu"/,
    ],
  ] as const;
  for (const [what, layer, message] of refusals) {
    it(`refuses ${what} by name`, async () => {
      const model = tf.sequential({
        layers: [tf.layers.inputLayer({ inputShape: [4, 4, 3] }), layer() as never],
      });
      const source = join(folder, 'refused');
      await model.save(`file://${source}`);
      const compiling = compileLayersModel({
        modelJson: join(source, 'model.json'),
        outDir: join(folder, 'none'),
        variant: 'float32',
      });
      await assert.rejects(compiling, { code: 'INVALID_MODEL', message });
    });
  }

  it('refuses a file that is not a layers model', async () => {
    const modelJson = join(folder, 'other.json');
    await writeFile(modelJson, '{"format":"graph-model"}');
    const compiling = compileLayersModel({
      modelJson,
      outDir: folder,
      variant: 'float32',
    });
    await assert.rejects(compiling, { code: 'INVALID_MODEL', message: /not a tfjs layers model/ });
  });
});
