import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../service/src/domain/errors.ts';

/** A dense array: `data` holds the product of `shape` numbers, row-major. */
export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** One layer of the model's topology, as Keras wrote it. */
export interface Layer {
  readonly name: string;
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the layers whose outputs are its inputs, in order. */
  readonly inputs: readonly string[];
}

/** A tfjs layers model in memory: layers in topological order, weights by name. */
export interface LayersModel {
  readonly layers: readonly Layer[];
  readonly output: string;
  readonly weights: ReadonlyMap<string, Weight>;
}

interface KerasLayer {
  name?: string;
  class_name: string;
  config: Record<string, unknown> & { name: string };
  inbound_nodes?: unknown[][][];
}

/**
 * Reads `model.json` and its weight shards (format: tfjs layers model, float32 weights; functional or sequential,
 * one input, one output).
 *
 * @throws AppError INVALID_MODEL that names what is not supported
 */
export async function readLayersModel(modelJson: string): Promise<LayersModel> {
  const document = JSON.parse(await readFile(modelJson, 'utf8'));
  const topology = document.modelTopology?.model_config ?? document.modelTopology;
  if (!topology?.config || !Array.isArray(document.weightsManifest)) {
    throw new AppError('INVALID_MODEL', `${modelJson} is not a tfjs layers model`);
  }
  const layers = topologyLayers(topology);
  const outputs: unknown[][] = topology.config.output_layers ?? [[layers.at(-1)?.name]];
  if (outputs.length !== 1)
    throw new AppError('INVALID_MODEL', `${modelJson} has ${outputs.length} outputs, not one`);
  const weights = new Map<string, Weight>();
  for (const group of document.weightsManifest) await readWeights(group, dirname(modelJson), weights);
  return { layers, output: String(outputs[0]?.[0]), weights };
}

function topologyLayers(topology: { class_name: string; config: unknown }): Layer[] {
  const config = topology.config as { layers?: KerasLayer[] } | KerasLayer[];
  const entries = Array.isArray(config) ? config : (config.layers ?? []);
  const sequential = topology.class_name === 'Sequential';
  const layers: Layer[] = [];
  for (const entry of entries) {
    const name = entry.name ?? entry.config.name;
    if (sequential && layers.length === 0 && entry.class_name !== 'InputLayer') {
      // The first layer of a Sequential model may state the input's shape.
      const shape = entry.config.batch_input_shape;
      layers.push({
        name: `${name}_input`,
        type: 'InputLayer',
        config: { batch_input_shape: shape },
        inputs: [],
      });
    }
    const previous = layers.at(-1)?.name;
    const inbound = sequential
      ? previous === undefined
        ? []
        : [previous]
      : (entry.inbound_nodes?.[0] ?? []).map((node) => String(node[0]));
    if ((entry.inbound_nodes?.length ?? 0) > 1) {
      throw new AppError(
        'INVALID_MODEL',
        `layer "${name}" is used ${entry.inbound_nodes?.length} times; the compiler takes layers used once`,
      );
    }
    layers.push({ name, type: entry.class_name, config: entry.config, inputs: inbound });
  }
  return layers;
}

interface WeightGroup {
  paths: string[];
  weights: { name: string; shape: number[]; dtype: string; quantization?: unknown }[];
}

async function readWeights(group: WeightGroup, folder: string, into: Map<string, Weight>): Promise<void> {
  const bytes = Buffer.concat(await Promise.all(group.paths.map((path) => readFile(join(folder, path)))));
  let offset = 0;
  for (const { name, shape, dtype, quantization } of group.weights) {
    if (dtype !== 'float32' || quantization) {
      throw new AppError(
        'INVALID_MODEL',
        `weight "${name}" is ${quantization ? 'quantised' : dtype}, not float32`,
      );
    }
    const length = shape.reduce((product, size) => product * size, 1);
    if (offset + length * 4 > bytes.length)
      throw new AppError('INVALID_MODEL', `weight "${name}" is cut short`);
    // A copy, because the offset into the shards may not be a multiple of four.
    const data = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + length * 4),
    );
    into.set(name, { shape, data });
    offset += length * 4;
  }
}
