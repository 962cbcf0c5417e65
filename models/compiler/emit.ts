import { AppError } from '../../service/src/domain/errors.ts';
import { type Attribute, createGraph, type Endpoint, type GraphBuilder } from './graph.ts';
import type { Conv2D, Op, Pool, Program } from './ops.ts';
import {
  createWeightStore,
  integers,
  type Precision,
  type Stage,
  type WeightInput,
  type WeightStore,
} from './weights.ts';

/** A program as bytes: saved_model.pb, and what must be passed to each run besides `input`. */
export interface Emitted {
  readonly savedModel: Uint8Array;
  readonly weights: Uint8Array;
  readonly weightInputs: readonly WeightInput[];
}

/**
 * Writes the program as a flat graph: input `input` float32 [batch, height, width, channels], output `probabilities` float32 [batch, classes].
 * Inputs and outputs are nodes of their signatures' names, so that who runs the graph need not read the signatures.
 *
 * In float32 a convolution with its bias, addition and ReLU is one `_FusedConv2D`; that op takes no bfloat16, so
 * there the four stand side by side and TensorFlow's own optimiser joins them when the graph is first run.
 */
export function emit(program: Program, precision: Precision, stage: Stage): Emitted {
  const graph = createGraph();
  const weights = createWeightStore(graph, precision, stage);
  const context: Context = { graph, weights, precision, T: { type: precision } };
  const outputs = new Map<string, string>();
  let input: Endpoint | undefined;
  let classes = -1;
  for (const op of program.ops) {
    const at = (name: string) =>
      outputs.get(name) ?? fail(`op "${op.name}" uses "${name}", which is not there`);
    if (op.kind === 'input') {
      if (input) fail('the model has more than one input');
      input = { name: 'input', type: 'float32', shape: [-1, ...op.shape] };
      graph.node('input', 'Placeholder', [], { dtype: { type: 'float32' }, shape: { shape: input.shape } });
      outputs.set(op.name, castTo(context, 'input', 'float32', precision));
    } else {
      outputs.set(op.name, emitOp(context, op, at));
    }
    if (op.kind === 'dense') classes = op.bias.length;
  }
  const result = outputs.get(program.output) ?? fail(`the output "${program.output}" is not there`);
  const last = program.ops.find((op) => op.name === program.output);
  // The softmax is computed in float32 already.
  const isFloat = last?.kind === 'activation' && last.activation === 'softmax';
  const cast = isFloat ? result : castTo(context, result, precision, 'float32');
  graph.node('probabilities', 'Identity', [cast], { T: { type: 'float32' } });
  if (!input) fail('the model has no input');
  const output: Endpoint = { name: 'probabilities', type: 'float32', shape: [-1, classes] };
  const inputs = [input as Endpoint, ...weights.endpoints];
  const maps = emitActivationMaps(context, program, (name) => outputs.get(name) ?? name);
  return {
    savedModel: graph.savedModel({
      serving_default: { inputs, outputs: [output] },
      ...(maps ? { explain: { inputs, outputs: [output, maps] } } : {}),
    }),
    weights: Buffer.concat(weights.chunks),
    weightInputs: weights.inputs,
  };
}

interface Context {
  readonly graph: GraphBuilder;
  readonly weights: WeightStore;
  readonly precision: Precision;
  readonly T: Attribute;
}

function fail(why: string): never {
  throw new AppError('INVALID_MODEL', why);
}

function castTo({ graph }: Context, from: string, source: Precision, target: Precision): string {
  if (source === target) return from;
  return graph.node(`${from}/to_${target}`, 'Cast', [from], {
    SrcT: { type: source },
    DstT: { type: target },
  });
}

function emitOp(context: Context, op: Exclude<Op, { kind: 'input' }>, at: (name: string) => string): string {
  const { graph, weights, T, precision } = context;
  switch (op.kind) {
    case 'conv2d':
    case 'depthwise-conv2d':
      return emitConvolution(context, op, at);
    case 'affine': {
      const scale = weights.add(`${op.name}/scale`, op.scale, [op.scale.length]);
      const offset = weights.add(`${op.name}/offset`, op.offset, [op.offset.length]);
      const product = graph.node(`${op.name}/scaled`, 'Mul', [at(op.input), scale], { T });
      return graph.node(op.name, 'AddV2', [product, offset], { T });
    }
    case 'dense': {
      const kernel = weights.add(`${op.name}/kernel`, op.kernel.data, op.kernel.shape);
      const bias = weights.add(`${op.name}/bias`, op.bias, [op.bias.length]);
      const product = graph.node(`${op.name}/product`, 'MatMul', [at(op.input), kernel], {
        T,
        transpose_a: { flag: false },
        transpose_b: { flag: false },
      });
      return graph.node(op.name, 'BiasAdd', [product, bias], { T });
    }
    case 'max-pool':
      return graph.node(op.name, 'MaxPool', [at(op.input)], poolAttributes(op, T));
    case 'average-pool':
      return graph.node(op.name, 'AvgPool', [at(op.input)], poolAttributes(op, T));
    case 'pad': {
      const margins = [0, 0, ...op.margins.flat(), 0, 0];
      const paddings = integers(graph, `${op.name}/paddings`, margins, [4, 2]);
      return graph.node(op.name, 'Pad', [at(op.input), paddings], { T, Tpaddings: { type: 'int32' } });
    }
    case 'global-average-pool': {
      const axes = integers(graph, `${op.name}/axes`, [1, 2]);
      return graph.node(op.name, 'Mean', [at(op.input), axes], {
        T,
        Tidx: { type: 'int32' },
        keep_dims: { flag: false },
      });
    }
    case 'add':
      return graph.node(op.name, 'AddV2', [at(op.inputs[0]), at(op.inputs[1])], { T });
    case 'activation':
      if (op.activation === 'softmax') {
        const logits = castTo(context, at(op.input), precision, 'float32');
        return graph.node(op.name, 'Softmax', [logits], { T: { type: 'float32' } });
      }
      return graph.node(op.name, ACTIVATION_OPS[op.activation], [at(op.input)], { T });
    case 'flatten': {
      // [batch, -1], where the batch is read off the input as it is known only at run time.
      const source = at(op.input);
      const int32 = { type: 'int32' } as const;
      const sizes = graph.node(`${op.name}/sizes`, 'Shape', [source], { T, out_type: int32 });
      const begin = integers(graph, `${op.name}/begin`, [0]);
      const one = integers(graph, `${op.name}/one`, [1]);
      const batch = graph.node(`${op.name}/batch`, 'Slice', [sizes, begin, one], { T: int32, Index: int32 });
      const rest = integers(graph, `${op.name}/rest`, [-1]);
      const axis = integers(graph, `${op.name}/axis`, [0], []);
      const shape = graph.node(`${op.name}/shape`, 'ConcatV2', [batch, rest, axis], {
        T: int32,
        Tidx: int32,
        N: { integer: 2 },
      });
      return graph.node(op.name, 'Reshape', [source, shape], { T, Tshape: int32 });
    }
    case 'identity':
      return at(op.input);
  }
}

/**
 * Class activation maps, for networks that end in global average pooling, one dense layer and a softmax: the dense
 * layer applied to every place before pooling instead of after it. The mean of a map is its class's logit, less the bias.
 *
 * @returns the endpoint `maps`, float32 [batch, rows, columns, classes], or undefined for networks of another shape
 */
function emitActivationMaps(
  context: Context,
  program: Program,
  at: (name: string) => string,
): Endpoint | undefined {
  const { graph, T } = context;
  const find = (name: string) => program.ops.find((op) => op.name === name);
  const last = find(program.output);
  const dense = last?.kind === 'activation' ? find(last.input) : undefined;
  const pooled = dense?.kind === 'dense' ? find(dense.input) : undefined;
  if (dense?.kind !== 'dense' || pooled?.kind !== 'global-average-pool') return undefined;
  const [features = 0, classes = 0] = dense.kernel.shape;
  const shape = integers(graph, 'maps/shape', [1, 1, features, classes]);
  const filter = graph.node('maps/filter', 'Reshape', [`${dense.name}/kernel`, shape], {
    T,
    Tshape: { type: 'int32' },
  });
  const convolved = graph.node('maps/convolution', 'Conv2D', [at(pooled.input), filter], {
    T,
    strides: { integers: [1, 1, 1, 1] },
    dilations: { integers: [1, 1, 1, 1] },
    padding: { text: 'VALID' },
    data_format: { text: 'NHWC' },
  });
  const cast = castTo(context, convolved, context.precision, 'float32');
  graph.node('maps', 'Identity', [cast], { T: { type: 'float32' } });
  return { name: 'maps', type: 'float32', shape: [-1, -1, -1, classes] };
}

const ACTIVATION_OPS = { relu: 'Relu', relu6: 'Relu6' } as const;

function emitConvolution(context: Context, op: Conv2D, at: (name: string) => string): string {
  const { graph, weights, T, precision } = context;
  const filter = weights.add(`${op.name}/filter`, op.filter.data, op.filter.shape);
  const bias = weights.add(`${op.name}/bias`, op.bias, [op.bias.length]);
  const activation =
    op.activation === undefined || op.activation === 'softmax' ? undefined : ACTIVATION_OPS[op.activation];
  const attributes = { T, ...convolutionAttributes(op) };
  if (precision === 'float32' && op.kind === 'conv2d') {
    const added = op.add === undefined ? [] : [at(op.add)];
    const fused = ['BiasAdd', ...(added.length > 0 ? ['Add'] : []), ...(activation ? [activation] : [])];
    return graph.node(op.name, '_FusedConv2D', [at(op.input), filter, bias, ...added], {
      ...attributes,
      num_args: { integer: 1 + added.length },
      TArgs: { types: [precision, ...added.map(() => precision)] },
      num_host_args: { integer: 0 },
      fused_ops: { texts: fused },
      epsilon: { number: 0 },
      leakyrelu_alpha: { number: 0.2 },
      use_cudnn_on_gpu: { flag: false },
    });
  }
  const type = op.kind === 'conv2d' ? 'Conv2D' : 'DepthwiseConv2dNative';
  let result = graph.node(`${op.name}/convolution`, type, [at(op.input), filter], attributes);
  result = graph.node(`${op.name}/biased`, 'BiasAdd', [result, bias], { T });
  if (op.add !== undefined) result = graph.node(`${op.name}/added`, 'AddV2', [result, at(op.add)], { T });
  return activation ? graph.node(op.name, activation, [result], { T }) : result;
}

function convolutionAttributes(op: Conv2D): Record<string, Attribute> {
  const margins = typeof op.padding === 'string' ? undefined : op.padding.flat();
  return {
    strides: { integers: [1, ...op.strides, 1] },
    dilations: { integers: [1, ...op.dilations, 1] },
    padding: { text: typeof op.padding === 'string' ? op.padding : 'EXPLICIT' },
    explicit_paddings: {
      integers: margins ? [0, 0, ...margins, 0, 0] : [],
    },
    data_format: { text: 'NHWC' },
  };
}

function poolAttributes(op: Pool, T: Attribute): Record<string, Attribute> {
  return {
    T,
    ksize: { integers: [1, ...op.size, 1] },
    strides: { integers: [1, ...op.strides, 1] },
    padding: { text: op.padding },
    data_format: { text: 'NHWC' },
  };
}
