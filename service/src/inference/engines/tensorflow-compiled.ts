import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TFJSBinding } from '@tensorflow/tfjs-node/dist/tfjs_binding.js';
import type { WeightInput } from '../../../../models/compiler/weights.ts';
import { AppError } from '../../domain/errors.ts';
import { ADDON } from '../../setup/engine/addon-path.ts';
import type { Runtime, RuntimeSpec } from './runtime.ts';

/**
 * Loads tfjs-node's native addon, and TensorFlow with it. A compiled model needs nothing else of tfjs-node, whose JavaScript
 * takes as long to load as TensorFlow itself and reads a SavedModel, weights and all, for its signatures.
 *
 * @throws Error when the addon is missing or does not fit this machine
 */
export function loadAddon(): TFJSBinding {
  try {
    return createRequire(import.meta.url)(`@tensorflow/tfjs-node/${ADDON}`);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new Error("tfjs-node's addon is not there; `npm run setup` builds it", { cause });
  }
}

/** Opens a compiled SavedModel: input `input`, output `probabilities`, and the weights of stage `inputs` beside it. */
export async function openCompiled(spec: RuntimeSpec): Promise<Runtime> {
  const addon = loadAddon();
  const session = addon.loadSavedModel(spec.path, 'serve');
  // Tensors live until their thread ends: the weights are passed to every run.
  const weights = spec.stage === 'inputs' ? await loadWeights(addon, spec.path) : [];
  const inputNames = ['input', ...weights.map(({ name }) => name)].map(first).join(',');

  /** The outputs of those names for `size` inputs. */
  function run(input: Float32Array, size: number, outputs: readonly string[]): Answer[] {
    const images = addon.createTensor([size, ...spec.inputShape], addon.TF_FLOAT, input);
    try {
      const ids = [images, ...weights.map(({ id }) => id)];
      const answers = addon.runSavedModel(session, ids, inputNames, outputs.map(first).join(','));
      try {
        return answers.map(({ id, shape }) => ({ shape, values: addon.tensorDataSync(id) as Float32Array }));
      } finally {
        for (const { id } of answers) addon.deleteTensor(id);
      }
    } finally {
      addon.deleteTensor(images);
    }
  }

  return {
    async explain(input, index) {
      const [shares, maps] = runWithMaps(() => run(input, 1, ['probabilities', 'maps']));
      if (!shares || !maps) throw new Error(`the SavedModel at ${spec.path} gave no maps`);
      const chosen = index ?? shares.values.indexOf(Math.max(...shares.values));
      const [, height = 0, width = 0, classes = 0] = maps.shape;
      const values = Float32Array.from(
        { length: height * width },
        (_, place) => maps.values[place * classes + chosen] ?? 0,
      );
      return { index: chosen, probability: shares.values[chosen] ?? 0, height, width, values };
    },
    async infer(input, size) {
      const [probabilities] = run(input, size, ['probabilities']);
      if (!probabilities) throw new Error(`the SavedModel at ${spec.path} gave no probabilities`);
      return probabilities.values;
    },
  };
}

interface Answer {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

function runWithMaps(run: () => Answer[]): Answer[] {
  try {
    return run();
  } catch (cause) {
    if (!/^Output op name can not be found/.test((cause as Error).message)) throw cause;
    const message = 'this model has no class activation maps: it does not end in global average pooling';
    throw new AppError('INVALID_REQUEST', message, {}, { cause });
  }
}

/** The first output of a node, as TensorFlow writes it. */
const first = (node: string) => `${node}:0`;

async function loadWeights(
  addon: TFJSBinding,
  folder: string,
): Promise<{ readonly name: string; readonly id: number }[]> {
  const index = JSON.parse(await readFile(join(folder, 'weights.json'), 'utf8')) as WeightInput[];
  const { buffer, byteOffset } = await readFile(join(folder, 'weights.bin'));
  return index.map(({ name, type, shape, offset, bytes }) => {
    const [view, dtype] = type === 'int32' ? [Int32Array, addon.TF_INT32] : [Float32Array, addon.TF_FLOAT];
    const values = new view(buffer, byteOffset + offset, bytes / 4);
    return { name, id: addon.createTensor([...shape], dtype, values) };
  });
}
