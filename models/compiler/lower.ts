import { AppError } from '../../service/src/domain/errors.ts';
import type { Layer, LayersModel, Weight } from './layers-model.ts';
import type { Activation, Op, Program } from './ops.ts';

type Lowering = (layer: Layer, input: string, weight: (suffix: string) => Weight | undefined) => Op[];

/** Turns each layer into ops. @throws AppError INVALID_MODEL with the layer, or its setting, that is not supported */
export function lowerLayers(model: LayersModel): Program {
  const ops: Op[] = [];
  for (const layer of model.layers) {
    const lowering = LOWERINGS[layer.type];
    if (!lowering) {
      const known = Object.keys(LOWERINGS).join(', ');
      throw new AppError(
        'INVALID_MODEL',
        `layer "${layer.name}" is a ${layer.type}, which the compiler does not know (it knows ${known})`,
      );
    }
    const weight = (suffix: string) => model.weights.get(`${layer.name}/${suffix}`);
    if (layer.config.data_format !== undefined && layer.config.data_format !== 'channels_last') {
      refuse(layer, 'data_format');
    }
    const lowered = lowering(layer, layer.inputs[0] ?? '', weight);
    ops.push(...withActivation(layer, lowered));
  }
  return { ops, output: model.output };
}

const LOWERINGS: Readonly<Record<string, Lowering>> = {
  InputLayer: (layer) => {
    const [, ...shape] = (layer.config.batch_input_shape ?? layer.config.batch_shape ?? []) as number[];
    if (shape.length === 0 || shape.some((size) => !Number.isInteger(size)))
      refuse(layer, 'batch_input_shape');
    return [{ kind: 'input', name: layer.name, shape }];
  },
  Conv2D: (layer, input, weight) => {
    if ((layer.config.groups ?? 1) !== 1) refuse(layer, 'groups');
    const filter = required(layer, weight('kernel'), 'kernel');
    return [{ ...convolution(layer, input), kind: 'conv2d', filter, bias: biasOf(weight, filter.shape[3]) }];
  },
  DepthwiseConv2D: (layer, input, weight) => {
    const filter = required(layer, weight('depthwise_kernel'), 'depthwise_kernel');
    const channels = (filter.shape[2] ?? 0) * (filter.shape[3] ?? 0);
    return [
      { ...convolution(layer, input), kind: 'depthwise-conv2d', filter, bias: biasOf(weight, channels) },
    ];
  },
  BatchNormalization: (layer, input, weight) => {
    const mean = required(layer, weight('moving_mean'), 'moving_mean').data;
    const variance = required(layer, weight('moving_variance'), 'moving_variance').data;
    const gamma = weight('gamma')?.data;
    const beta = weight('beta')?.data;
    const epsilon = Number(layer.config.epsilon ?? 1e-3);
    const scale = mean.map((_, i) => (gamma?.[i] ?? 1) / Math.sqrt((variance[i] ?? 1) + epsilon));
    const offset = mean.map((value, i) => (beta?.[i] ?? 0) - value * (scale[i] ?? 1));
    return [{ kind: 'affine', name: layer.name, input, scale, offset }];
  },
  ZeroPadding2D: (layer, input) => {
    const [[top, bottom], [left, right]] = layer.config.padding as [[number, number], [number, number]];
    const margins = [
      [top, bottom],
      [left, right],
    ] as const;
    return [{ kind: 'pad', name: layer.name, input, margins }];
  },
  MaxPooling2D: (layer, input) => [{ kind: 'max-pool', ...pool(layer, input) }],
  AveragePooling2D: (layer, input) => [{ kind: 'average-pool', ...pool(layer, input) }],
  GlobalAveragePooling2D: (layer, input) => {
    if (layer.config.keepdims) refuse(layer, 'keepdims');
    return [{ kind: 'global-average-pool', name: layer.name, input }];
  },
  Add: (layer) => {
    const [first, second] = layer.inputs;
    if (first === undefined || second === undefined || layer.inputs.length !== 2)
      refuse(layer, 'inbound_nodes');
    return [{ kind: 'add', name: layer.name, inputs: [first as string, second as string] }];
  },
  Dense: (layer, input, weight) => {
    const kernel = required(layer, weight('kernel'), 'kernel');
    return [{ kind: 'dense', name: layer.name, input, kernel, bias: biasOf(weight, kernel.shape[1]) }];
  },
  Activation: (layer, input) => [{ kind: 'identity', name: layer.name, input }],
  ReLU: (layer, input) => {
    const { max_value: maximum, negative_slope: slope, threshold } = layer.config;
    if (slope) refuse(layer, 'negative_slope');
    if (threshold) refuse(layer, 'threshold');
    if (maximum !== null && maximum !== undefined && maximum !== 6) refuse(layer, 'max_value');
    return [{ kind: 'activation', name: layer.name, input, activation: maximum === 6 ? 'relu6' : 'relu' }];
  },
  Softmax: (layer, input) => [{ kind: 'activation', name: layer.name, input, activation: 'softmax' }],
  Flatten: (layer, input) => [{ kind: 'flatten', name: layer.name, input }],
  // Dropout does nothing at inference.
  Dropout: (layer, input) => [{ kind: 'identity', name: layer.name, input }],
};

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  relu: 'relu',
  relu6: 'relu6',
  softmax: 'softmax',
};

/** A layer's `activation` becomes a separate op with the layer's name, because later ops refer to it. */
function withActivation(layer: Layer, lowered: Op[]): Op[] {
  const wanted = layer.config.activation;
  if (wanted === undefined || wanted === null || wanted === 'linear') return lowered;
  const activation = ACTIVATIONS[String(wanted)];
  const last = lowered.at(-1);
  if (!activation || !last) return refuse(layer, 'activation');
  const inner = `${layer.name}/linear`;
  return [
    ...lowered.slice(0, -1),
    { ...last, name: inner },
    { kind: 'activation', name: layer.name, input: inner, activation },
  ];
}

function convolution(layer: Layer, input: string) {
  return { ...slidingWindow(layer, input), dilations: pair(layer, 'dilation_rate') };
}

function pool(layer: Layer, input: string) {
  return { ...slidingWindow(layer, input), size: pair(layer, 'pool_size') };
}

function slidingWindow(layer: Layer, input: string) {
  return { name: layer.name, input, strides: pair(layer, 'strides'), padding: samePadding(layer) };
}

function samePadding(layer: Layer): 'SAME' | 'VALID' {
  const padding = String(layer.config.padding).toUpperCase();
  return padding === 'SAME' || padding === 'VALID' ? padding : refuse(layer, 'padding');
}

function pair(layer: Layer, field: string): readonly [number, number] {
  const value = layer.config[field] ?? 1;
  const [first, second] = Array.isArray(value) ? value : [value, value];
  return Number.isInteger(first) && Number.isInteger(second) ? [first, second] : refuse(layer, field);
}

function biasOf(weight: (suffix: string) => Weight | undefined, channels = 0): Float32Array {
  return weight('bias')?.data ?? new Float32Array(channels);
}

function required(layer: Layer, weight: Weight | undefined, name: string): Weight {
  if (!weight) throw new AppError('INVALID_MODEL', `layer "${layer.name}" lacks its weight "${name}"`);
  return weight;
}

function refuse(layer: Layer, field: string): never {
  const value = JSON.stringify(layer.config[field]);
  throw new AppError(
    'INVALID_MODEL',
    `layer "${layer.name}" (${layer.type}): the compiler does not know ${field}=${value}`,
  );
}
