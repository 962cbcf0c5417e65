import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { ActivationMaps } from '../../../../../models/compiler/activation-maps.ts';
import type { CompiledGraph } from '../../../../../models/compiler/compile.ts';
import { AppError } from '../../../domain/errors.ts';
import { argmax } from '../../../domain/prediction.ts';
import type { Runtime, RuntimeSpec } from './runtime.ts';
import { loadGraph } from './tensorflow-graph.ts';

/** Loads a model that models/compiler wrote, with TensorFlow's addon alone. */
export async function loadCompiledModel({ path }: Pick<RuntimeSpec, 'path'>): Promise<Runtime> {
  const { run, graph } = await loadGraph(path);
  const { maps } = graph;
  // The same outputs in every run: another set would make TensorFlow keep a second copy of all filters.
  const outputs = ['probabilities', ...(maps ? [maps.features] : [])];
  return {
    async infer(input, size) {
      const [probabilities] = run(input, size, outputs, 1);
      if (!probabilities) throw new Error(`the SavedModel at ${path} gave no probabilities`);
      return probabilities.values;
    },
    async explain(input, wanted) {
      if (!maps) {
        const message = 'this model has no class activation maps: it does not end in global average pooling';
        throw new AppError('INVALID_REQUEST', message);
      }
      const [probabilities, features] = run(input, 1, outputs, 2);
      if (!probabilities || !features) throw new Error(`the SavedModel at ${path} gave no features`);
      const index = wanted ?? argmax(probabilities.values);
      const [, height = 0, width = 0] = features.shape;
      const values = projectFeatures(features.values, readKernelColumn(path, graph, maps, index));
      return { index, probability: probabilities.values[index] ?? 0, height, width, values };
    },
  };
}

/**
 * The dot product of the channels of each place with a class's column of the dense layer.
 *
 * @param features shape [height, width, channels]
 * @param column shape [channels]
 * @returns shape [height, width]
 */
function projectFeatures(features: Float32Array, column: Float32Array): Float32Array {
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
 * Reads column `index` of the dense layer's kernel from weights.bin, value by value: it takes 2 ms, and explanations are
 * too rare to keep 8 MB of memory for them.
 */
function readKernelColumn(
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
