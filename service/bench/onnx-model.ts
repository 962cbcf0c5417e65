import { readProgram } from '../../models/compiler/compile.ts';
import type { Conv2D, Op, Program } from '../../models/compiler/ops.ts';
import type { Ranges } from '../../models/compiler/ranges.ts';
import { createOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import { type QdqTensor, quantise, quantisedWeights } from './onnx-quantise.ts';

/** The ranges of the 8-bit model: those of ranges.json, and the smallest and largest input. */
export interface Quantisation {
  readonly ranges: Ranges['ranges'];
  readonly input: { readonly minimum: number; readonly maximum: number };
}

interface Context {
  readonly graph: OnnxGraph;
  readonly quantisation: Quantisation | undefined;
  /** The node of each op's output. */
  readonly outputs: Map<string, string>;
  /** int8: the rounded output of each quantised op. */
  readonly rounded: Map<string, QdqTensor>;
  /** [top, left, bottom, right] of each padding that is merged into the next op. */
  readonly margins: Map<string, readonly number[]>;
}

/**
 * Converts the model to ONNX (channels first, batch norms folded), so that the runtimes are compared on the same
 * arithmetic. Supports the ops of ResNet-50.
 *
 * @param quantisation for a static int8 model; without it the model is float32
 */
export async function onnxModel(modelJson: string, quantisation?: Quantisation): Promise<Uint8Array> {
  return toOnnx(await readProgram(modelJson), quantisation);
}

function toOnnx(program: Program, quantisation: Quantisation | undefined): Uint8Array {
  const graph = createOnnxGraph();
  const context: Context = {
    graph,
    quantisation,
    outputs: new Map(),
    rounded: new Map(),
    margins: new Map(),
  };
  let shape: readonly number[] = [];
  for (const op of program.ops) {
    if (op.kind === 'input') {
      const [height, width, channels] = op.shape;
      shape = [channels ?? 0, height ?? 0, width ?? 0];
      context.outputs.set(op.name, 'input');
      if (quantisation) round(context, op.name, quantisation.input);
    } else context.outputs.set(op.name, convert(context, op));
    if (quantisation) roundOutput(context, quantisation, op);
  }
  const dense = program.ops.findLast((op) => op.kind === 'dense');
  return graph.model(shape, { name: at(context, program.output), shape: [dense?.bias.length ?? 0] });
}

/** The node of an op's output, rounded where the model is 8-bit. */
const at = ({ rounded, outputs }: Context, name: string): string =>
  rounded.get(name)?.node ?? outputs.get(name) ?? name;

function round(context: Context, name: string, range: Quantisation['input']): void {
  context.rounded.set(name, quantise(context.graph, at(context, name), range));
}

function roundOutput(context: Context, { ranges }: Quantisation, op: Op): void {
  const range = ranges[op.name];
  if (op.kind === 'conv2d' && range !== undefined) {
    round(context, op.name, { minimum: op.activation ? 0 : -range, maximum: range });
  }
  if (op.kind === 'max-pool') {
    // Pooling keeps the range.
    const source = context.rounded.get(op.input);
    if (source) round(context, op.name, { minimum: 0, maximum: source.scale * 255 });
  }
}

function convert(context: Context, op: Exclude<Op, { kind: 'input' }>): string {
  const { graph } = context;
  switch (op.kind) {
    case 'conv2d':
      return convolution(context, op);
    case 'pad': {
      const [[top, bottom], [left, right]] = op.margins;
      // MaxPool pads by itself; behind a ReLU zeros and minus infinity are the same to it.
      context.margins.set(op.name, [top, left, bottom, right]);
      const source = context.rounded.get(op.input);
      if (source) context.rounded.set(op.name, source);
      return at(context, op.input);
    }
    case 'max-pool':
      return graph.node(op.name, 'MaxPool', [at(context, op.input)], {
        kernel_shape: op.size,
        strides: op.strides,
        pads: context.margins.get(op.input) ?? [0, 0, 0, 0],
      });
    case 'global-average-pool': {
      const mean = graph.node(`${op.name}/mean`, 'GlobalAveragePool', [at(context, op.input)]);
      return graph.node(op.name, 'Flatten', [mean], { axis: 1 });
    }
    case 'dense': {
      const kernel = graph.tensor(`${op.name}/kernel`, op.kernel.data, op.kernel.shape);
      const bias = graph.tensor(`${op.name}/bias`, op.bias, [op.bias.length]);
      return graph.node(op.name, 'Gemm', [at(context, op.input), kernel, bias]);
    }
    case 'activation':
      return graph.node(op.name, op.activation === 'softmax' ? 'Softmax' : 'Relu', [at(context, op.input)]);
    default:
      throw new Error(`no ONNX for ${op.kind}`);
  }
}

function convolution(context: Context, op: Conv2D): string {
  const { graph } = context;
  const [height = 0, width = 0] = op.filter.shape;
  const weights = weightsOf(context, op);
  if (op.padding === 'SAME' && Math.max(...op.strides) > 1)
    throw new Error('SAME with strides differs in ONNX');
  const same = [(height - 1) / 2, (width - 1) / 2].map((size) => [size, size]);
  const padding = op.padding === 'SAME' ? same : op.padding === 'VALID' ? [] : op.padding;
  const pads = [padding[0]?.[0] ?? 0, padding[1]?.[0] ?? 0, padding[0]?.[1] ?? 0, padding[1]?.[1] ?? 0];
  let result = graph.node(`${op.name}/convolution`, 'Conv', [at(context, op.input), ...weights], {
    strides: op.strides,
    pads,
    kernel_shape: [height, width],
  });
  if (op.add !== undefined) {
    const range = context.quantisation?.ranges[op.name];
    // Calibration measures only the sum; the addend gets the same range.
    if (range !== undefined) result = quantise(graph, result, { minimum: -range, maximum: range }).node;
    result = graph.node(`${op.name}/sum`, 'Add', [result, at(context, op.add)]);
  }
  return op.activation ? graph.node(op.name, 'Relu', [result]) : result;
}

/** The nodes of filter and bias. */
function weightsOf(
  { graph, rounded }: Context,
  { name, input, filter: { data, shape }, bias }: Conv2D,
): string[] {
  const [height = 0, width = 0, inputs = 0, filters = 0] = shape;
  const dims = [filters, inputs, height, width];
  // [h, w, in, out] -> [out, in, h, w]
  const filter = new Float32Array(data.length);
  const area = height * width;
  for (let place = 0; place < area; place++)
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < filters; o++)
        filter[(o * inputs + i) * area + place] = data[(place * inputs + i) * filters + o] as number;
  const source = rounded.get(input);
  if (source) return quantisedWeights(graph, name, { filter, dims, bias }, source.scale);
  return [graph.tensor(`${name}/filter`, filter, dims), graph.tensor(`${name}/bias`, bias, [filters])];
}
