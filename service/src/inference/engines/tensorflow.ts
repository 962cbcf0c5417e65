import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import type { WeightInput } from '../../../../models/compiler/weights.ts';
import { AppError } from '../../domain/errors.ts';
import type { OpenRuntime } from './runtime.ts';

type TensorFlow = typeof import('@tensorflow/tfjs-node');
type Tensor = ReturnType<TensorFlow['tensor']>;

/** Loads tfjs-node and its native addon. Throws when the addon is missing or does not fit this machine. */
export function loadTensorFlow(): TensorFlow {
  // tfjs-node 4 calls two helpers that Node 23 removed (tensorflow/tfjs #8609).
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  legacy.isArray ??= Array.isArray;
  return createRequire(import.meta.url)('@tensorflow/tfjs-node');
}

/** Opens a compiled SavedModel: input `input`, output `probabilities`, and the weights of stage `inputs` beside it. */
export const openTensorFlow: OpenRuntime = async (spec) => {
  const tf = loadTensorFlow();
  const model = await tf.node.loadSavedModel(spec.path);
  // Owned by the runtime for as long as its thread lives: they are passed to every run.
  const weights = spec.stage === 'inputs' ? await loadWeights(tf, spec.path) : {};
  let explainer: Promise<typeof model> | undefined;
  return {
    async explain(input, index) {
      // The same session under another signature: opened when it is first asked for, which few are.
      explainer ??= tf.node.loadSavedModel(spec.path, ['serve'], 'explain').catch((cause) => {
        const message = 'this model has no class activation maps: it does not end in global average pooling';
        throw new AppError('INVALID_REQUEST', message, {}, { cause });
      });
      const explaining = await explainer;
      const images = tf.tensor4d(input, [1, ...spec.inputShape]);
      const { probabilities, maps } = explaining.predict({ ...weights, input: images }) as Record<
        string,
        Tensor
      >;
      try {
        const shares = (await probabilities?.data()) as Float32Array;
        const chosen = index ?? shares.indexOf(Math.max(...shares));
        const [, height = 0, width = 0, classes = 0] = maps?.shape ?? [];
        const all = (await maps?.data()) as Float32Array;
        const values = Float32Array.from(
          { length: height * width },
          (_, place) => all[place * classes + chosen] ?? 0,
        );
        return { index: chosen, probability: shares[chosen] ?? 0, height, width, values };
      } finally {
        tf.dispose([images, probabilities, maps] as Tensor[]);
      }
    },
    async infer(input, size) {
      const images = tf.tensor4d(input, [size, ...spec.inputShape]);
      try {
        const outputs = model.predict({ ...weights, input: images }) as Record<string, Tensor>;
        const probabilities = outputs.probabilities;
        if (!probabilities) throw new Error(`the SavedModel at ${spec.path} has no output "probabilities"`);
        try {
          return (await probabilities.data()) as Float32Array;
        } finally {
          probabilities.dispose();
        }
      } finally {
        images.dispose();
      }
    },
  };
};

async function loadWeights(tf: TensorFlow, folder: string): Promise<Record<string, Tensor>> {
  const index = JSON.parse(await readFile(join(folder, 'weights.json'), 'utf8')) as WeightInput[];
  const { buffer, byteOffset } = await readFile(join(folder, 'weights.bin'));
  const weights: Record<string, Tensor> = {};
  for (const { name, type, shape, offset, bytes } of index) {
    const view = type === 'int32' ? Int32Array : Float32Array;
    weights[name] = tf.tensor(new view(buffer, byteOffset + offset, bytes / 4), [...shape], type);
  }
  return weights;
}
