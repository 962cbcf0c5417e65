import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TFJSBinding } from '@tensorflow/tfjs-node/dist/tfjs_binding.js';
import type { CompiledGraph } from '../../../../../models/compiler/compile.ts';
import type { Border } from '../../../../../models/compiler/pixels.ts';
import type { EngineInput } from '../engine.ts';
import { createBorderWriter } from './border.ts';
import { loadAddon } from './tensorflow-addon.ts';

/** A tensor copied out of TensorFlow; the caller owns `values`. */
interface Output {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface LoadedGraph {
  /**
   * Runs the graph for `size` inputs.
   *
   * @param names ops to run
   * @param read how many of their outputs to copy out, from the first; the others are freed unread
   */
  run(input: EngineInput, size: number, names: readonly string[], read: number): Output[];
  readonly graph: CompiledGraph;
}

/** Loads a folder that models/compiler wrote: the inputs of its graph are `input` and the weights. */
export async function loadGraph(folder: string): Promise<LoadedGraph> {
  const addon = loadAddon();
  const graph = JSON.parse(await readFile(join(folder, 'graph.json'), 'utf8')) as CompiledGraph;
  const { input } = graph;
  const session = addon.loadSavedModel(folder, 'serve');
  // Owned by the thread: they are passed to every run and never freed.
  const weights = await loadWeights(addon, folder, graph.weights);
  const inputNames = ['input', ...weights.map(({ name }) => name)].map(firstOutput).join(',');
  const dtype = input.type === 'uint8' ? addon.TF_UINT8 : addon.TF_FLOAT;
  const addBorder = input.border ? createBorderWriter(input.shape, input.border) : undefined;
  const shape = input.border ? borderedShape(input.shape, input.border) : input.shape;
  return {
    graph,
    run(given, size, names, read) {
      const values = addBorder ? addBorder(given as Uint8Array, size) : given;
      const images = addon.createTensor([size, ...shape], dtype, values);
      try {
        const ids = [images, ...weights.map(({ id }) => id)];
        const outputs = addon.runSavedModel(session, ids, inputNames, names.map(firstOutput).join(','));
        try {
          return outputs
            .slice(0, read)
            .map(({ id, shape }) => ({ shape, values: addon.tensorDataSync(id) as Float32Array }));
        } finally {
          for (const { id } of outputs) addon.deleteTensor(id);
        }
      } finally {
        addon.deleteTensor(images);
      }
    },
  };
}

/**
 * Loads a compiled graph for its intermediate results, which calibration measures.
 *
 * @param names ops of the graph
 * @returns a function from the pixels (or numbers) of one input to the output of each op
 */
export async function loadOutputs(
  folder: string,
  names: readonly string[],
): Promise<(input: EngineInput) => Float32Array[]> {
  const { run } = await loadGraph(folder);
  return (input) => run(input, 1, names, names.length).map(({ values }) => values);
}

function borderedShape(
  [height = 0, width = 0, channels = 0]: readonly number[],
  { margins: [[top, bottom], [left, right]] }: Border,
): number[] {
  return [top + height + bottom, left + width + right, channels];
}

/** The first output of a node, as TensorFlow writes it. */
const firstOutput = (node: string) => `${node}:0`;

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
