import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TinyModel {
  /** MODELS_DIR, MODEL and ENGINE, for servers and workers. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const SIDE = 16;
const CLASSES = 5;
const FILTERS = 4;

/**
 * A complete model folder whose model loads fast enough for tests that start many processes: one convolution, a mean
 * over the picture, a dense layer and softmax, with fixed pseudo-random weights, in the layers format, for the wasm engine.
 */
export async function makeTinyModel(): Promise<TinyModel> {
  const folder = await mkdtemp(join(tmpdir(), 'tiny-model-'));
  const model = join(folder, 'tiny');
  await mkdir(model);
  const shapes: [string, number[]][] = [
    ['conv/kernel', [3, 3, 3, FILTERS]],
    ['conv/bias', [FILTERS]],
    ['dense/kernel', [FILTERS, CLASSES]],
    ['dense/bias', [CLASSES]],
  ];
  const size = shapes.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b), 0);
  let seed = 42;
  const weights = Float32Array.from({ length: size }, () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    return seed / 2 ** 31 - 1;
  });
  const layer = (class_name: string, config: object) => ({ class_name, config });
  const topology = {
    class_name: 'Sequential',
    config: {
      name: 'tiny',
      layers: [
        layer('Conv2D', {
          name: 'conv',
          batch_input_shape: [null, SIDE, SIDE, 3],
          dtype: 'float32',
          filters: FILTERS,
          kernel_size: [3, 3],
          strides: [2, 2],
          padding: 'same',
          data_format: 'channels_last',
          activation: 'relu',
          use_bias: true,
        }),
        layer('GlobalAveragePooling2D', { name: 'mean', data_format: 'channels_last' }),
        layer('Dense', { name: 'dense', units: CLASSES, activation: 'softmax', use_bias: true }),
      ],
    },
    keras_version: 'tfjs-layers 4.22.0',
    backend: 'tensor_flow.js',
  };
  const files = {
    'model.json': JSON.stringify({
      format: 'layers-model',
      modelTopology: topology,
      weightsManifest: [
        {
          paths: ['weights.bin'],
          weights: shapes.map(([name, shape]) => ({ name, shape, dtype: 'float32' })),
        },
      ],
    }),
    'weights.bin': Buffer.from(weights.buffer),
    'labels.json': JSON.stringify(['apple', 'brick', 'cloud', 'daisy', 'ember']),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(model, name), content);
  const manifest = {
    schemaVersion: 1,
    name: 'tiny',
    version: '1',
    task: 'image-classification',
    description: 'A network of three layers for tests',
    licence: 'MIT',
    engine: 'tensorflow',
    format: 'tfjs-layers',
    source: {
      files: Object.entries(files).map(([path, content]) => ({
        path,
        bytes: Buffer.byteLength(content),
        sha256: createHash('sha256').update(content).digest('hex'),
      })),
    },
    entry: 'model.json',
    input: {
      kind: 'image',
      height: SIDE,
      width: SIDE,
      channels: 'RGB',
      resize: { mode: 'squash' },
      crop: 'center',
      scale: 1 / 255,
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.25, 0.25],
      layout: 'NHWC',
    },
    output: { activation: 'softmax', classes: CLASSES, labels: 'labels.json' },
    metrics: {},
  };
  await writeFile(join(model, 'manifest.json'), JSON.stringify(manifest));
  return {
    env: { MODELS_DIR: folder, MODEL: 'tiny', ENGINE: 'wasm' },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
