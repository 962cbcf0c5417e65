import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TFJSBinding } from '@tensorflow/tfjs-node/dist/tfjs_binding.js';
import type { CompiledGraph } from '../../../../models/compiler/compile.ts';
import type { Border } from '../../../../models/compiler/pixels.ts';
import { enableOneDnn } from '../../../../models/cpu.ts';
import { AppError } from '../../domain/errors.ts';
import { ADDON } from '../../setup/engine/addon-path.ts';
import { AddonUnavailable } from './addon-unavailable.ts';
import { createBorderWriter } from './border.ts';
import type { EngineInput } from './engine.ts';
import type { Runtime, RuntimeSpec } from './runtime.ts';

/**
 * Loads tfjs-node's native addon, and TensorFlow with it. A compiled model needs nothing else of tfjs-node, whose JavaScript
 * takes as long to load as TensorFlow itself and reads a SavedModel, weights and all, for its signatures.
 *
 * @throws AddonUnavailable when the addon is missing or does not fit this machine
 */
export function loadAddon(): TFJSBinding {
  enableOneDnn();
  try {
    return createRequire(import.meta.url)(`@tensorflow/tfjs-node/${ADDON}`);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code === 'MODULE_NOT_FOUND';
    const reason = isMissing ? "tfjs-node's addon is missing; `npm run setup` builds it" : message;
    throw new AddonUnavailable(reason, { cause });
  }
}

/** Runs a graph: the outputs of the ops `outputs` for `size` inputs. */
type Run = (input: EngineInput, size: number, outputs: readonly string[]) => Answer[];

/** Opens a folder that models/compiler wrote: the inputs of its graph are `input` and the weights. */
async function openGraph(folder: string): Promise<{ readonly run: Run }> {
  const addon = loadAddon();
  const { input, weights: index } = await readGraph(folder);
  const session = addon.loadSavedModel(folder, 'serve');
  // These tensors live as long as their thread: they are passed to every run.
  const weights = await loadWeights(addon, folder, index);
  const inputNames = ['input', ...weights.map(({ name }) => name)].map(first).join(',');
  const dtype = input.type === 'uint8' ? addon.TF_UINT8 : addon.TF_FLOAT;
  const withBorder = input.border ? createBorderWriter(input.shape, input.border) : undefined;
  const shape = input.border ? bordered(input.shape, input.border) : input.shape;

  const run: Run = (given, size, outputs) => {
    const values = withBorder ? withBorder(given as Uint8Array, size) : given;
    const images = addon.createTensor([size, ...shape], dtype, values);
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
  };
  return { run };
}

/** Opens a compiled model: the outputs `probabilities`, and `maps` where the network has class activation maps. */
export async function openCompiled(spec: Pick<RuntimeSpec, 'path'>): Promise<Runtime> {
  const { run } = await openGraph(spec.path);
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

/**
 * Opens a compiled graph for its intermediate results, which calibration measures.
 *
 * @param names ops of the graph
 * @returns a function from the pixels (or numbers) of one input to the output of each op
 */
export async function openOutputs(
  folder: string,
  names: readonly string[],
): Promise<(input: EngineInput) => Float32Array[]> {
  const { run } = await openGraph(folder);
  return (input) => run(input, 1, names).map(({ values }) => values);
}

const readGraph = async (folder: string): Promise<CompiledGraph> =>
  JSON.parse(await readFile(join(folder, 'graph.json'), 'utf8')) as CompiledGraph;

function bordered([height = 0, width = 0, channels = 0]: readonly number[], { margins }: Border): number[] {
  const [[top, bottom], [left, right]] = margins;
  return [top + height + bottom, left + width + right, channels];
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
  index: CompiledGraph['weights'],
): Promise<{ readonly name: string; readonly id: number }[]> {
  const { buffer, byteOffset } = await readFile(join(folder, 'weights.bin'));
  return index.map(({ name, type, shape, offset, bytes }) => {
    const [view, dtype] = type === 'int32' ? [Int32Array, addon.TF_INT32] : [Float32Array, addon.TF_FLOAT];
    const values = new view(buffer, byteOffset + offset, bytes / 4);
    return { name, id: addon.createTensor([...shape], dtype, values) };
  });
}
