import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TFJSBinding } from '@tensorflow/tfjs-node/dist/tfjs_binding.js';
import { ADDON } from '../../../../../models/addon-path.ts';
import type { ActivationMaps } from '../../../../../models/compiler/activation-maps.ts';
import type { CompiledGraph } from '../../../../../models/compiler/compile.ts';
import type { Border } from '../../../../../models/compiler/pixels.ts';
import { tuneTensorFlow } from '../../../../../models/cpu.ts';
import { AppError } from '../../../domain/errors.ts';
import { createBorderWriter } from '../border.ts';
import type { EngineInput } from '../engine.ts';
import { AddonUnavailable } from './addon-unavailable.ts';
import type { Runtime, RuntimeSpec } from './runtime.ts';

/**
 * Loads tfjs-node's native addon, and TensorFlow with it. A compiled model needs nothing else of tfjs-node, whose JavaScript
 * takes as long to load as TensorFlow itself and reads a SavedModel, weights and all, for its signatures.
 *
 * @throws AddonUnavailable when the addon is missing or does not fit this machine
 */
export function loadAddon(): TFJSBinding {
  tuneTensorFlow();
  try {
    return createRequire(import.meta.url)(`@tensorflow/tfjs-node/${ADDON}`);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code === 'MODULE_NOT_FOUND';
    const reason = isMissing ? "tfjs-node's addon is missing; `npm run setup` builds it" : message;
    throw new AddonUnavailable(reason, { cause });
  }
}

/** Runs a graph for `size` inputs. @returns the first `read` of the ops' outputs; the others stay in TensorFlow */
type Run = (input: EngineInput, size: number, outputs: readonly string[], read: number) => Answer[];

interface OpenGraph {
  readonly run: Run;
  readonly graph: CompiledGraph;
}

/** Opens a folder that models/compiler wrote: the inputs of its graph are `input` and the weights. */
async function openGraph(folder: string): Promise<OpenGraph> {
  const addon = loadAddon();
  const graph = await readGraph(folder);
  const { input, weights: index } = graph;
  const session = addon.loadSavedModel(folder, 'serve');
  // These tensors live as long as their thread: they are passed to every run.
  const weights = await loadWeights(addon, folder, index);
  const inputNames = ['input', ...weights.map(({ name }) => name)].map(first).join(',');
  const dtype = input.type === 'uint8' ? addon.TF_UINT8 : addon.TF_FLOAT;
  const withBorder = input.border ? createBorderWriter(input.shape, input.border) : undefined;
  const shape = input.border ? bordered(input.shape, input.border) : input.shape;

  const run: Run = (given, size, outputs, read) => {
    const values = withBorder ? withBorder(given as Uint8Array, size) : given;
    const images = addon.createTensor([size, ...shape], dtype, values);
    try {
      const ids = [images, ...weights.map(({ id }) => id)];
      const answers = addon.runSavedModel(session, ids, inputNames, outputs.map(first).join(','));
      try {
        return answers
          .slice(0, read)
          .map(({ id, shape }) => ({ shape, values: addon.tensorDataSync(id) as Float32Array }));
      } finally {
        for (const { id } of answers) addon.deleteTensor(id);
      }
    } finally {
      addon.deleteTensor(images);
    }
  };
  return { run, graph };
}

/** Opens a compiled model. */
export async function openCompiled(spec: Pick<RuntimeSpec, 'path'>): Promise<Runtime> {
  const { run, graph } = await openGraph(spec.path);
  const { maps } = graph;
  const outputs = ['probabilities', ...(maps ? [maps.features] : [])];
  return {
    async explain(input, index) {
      if (!maps) {
        const message = 'this model has no class activation maps: it does not end in global average pooling';
        throw new AppError('INVALID_REQUEST', message);
      }
      const [shares, features] = run(input, 1, outputs, 2);
      if (!shares || !features) throw new Error(`the SavedModel at ${spec.path} gave no features`);
      const probabilities = shares.values;
      const chosen = index ?? probabilities.indexOf(Math.max(...probabilities));
      const [, height = 0, width = 0] = features.shape;
      const values = mapOf(features.values, kernelColumn(spec.path, graph, maps, chosen));
      return { index: chosen, probability: probabilities[chosen] ?? 0, height, width, values };
    },
    async infer(input, size) {
      const [probabilities] = run(input, size, outputs, 1);
      if (!probabilities) throw new Error(`the SavedModel at ${spec.path} gave no probabilities`);
      return probabilities.values;
    },
  };
}

/** The dot product of every place's channels with the class's column of the dense layer. */
function mapOf(features: Float32Array, column: Float32Array): Float32Array {
  const channels = column.length;
  const values = new Float32Array(features.length / channels);
  for (let place = 0; place < values.length; place++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += (features[place * channels + c] ?? 0) * (column[c] ?? 0);
    values[place] = sum;
  }
  return values;
}

/**
 * Column `index` of the dense layer's kernel, value by value from weights.bin: explanations are too rare to keep 8 MB for
 * them, and this takes two milliseconds.
 */
function kernelColumn(
  folder: string,
  { weights }: CompiledGraph,
  { kernel, type }: ActivationMaps,
  index: number,
): Float32Array {
  const found = weights.find(({ name }) => name === kernel);
  if (!found) throw new Error(`${folder} has no weight ${kernel}`);
  const channels = found.shape[0] ?? 0;
  const row = found.bytes / channels;
  const width = type === 'float32' ? 4 : 2;
  const value = Buffer.alloc(width);
  const column = new Float32Array(channels);
  const file = openSync(join(folder, 'weights.bin'), 'r');
  try {
    for (let channel = 0; channel < channels; channel++) {
      readSync(file, value, 0, width, found.offset + channel * row + index * width);
      column[channel] = type === 'float32' ? value.readFloatLE() : bfloat16(value.readUInt16LE());
    }
  } finally {
    closeSync(file);
  }
  return column;
}

/** A bfloat16 is the upper half of a float32. */
const bfloat16 = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0] ?? 0;

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
  return (input) => run(input, 1, names, names.length).map(({ values }) => values);
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
