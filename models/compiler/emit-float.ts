import type { Attribute } from './graph.ts';
import type { Conv2D, Op, Pool } from './ops.ts';
import { type Context, cast, floatOf } from './values.ts';
import { integers } from './weights.ts';

const ACTIVATION_OPS = { relu: 'Relu', relu6: 'Relu6' } as const;

/** Adds one op in float arithmetic; returns its output node. */
export function emitFloat(context: Context, op: Exclude<Op, { kind: 'input' }>): string {
  const { graph, T, type } = context;
  const at = (name: string) => floatOf(context, name);
  switch (op.kind) {
    case 'conv2d':
    case 'depthwise-conv2d':
      return emitConvolution(context, op);
    case 'affine': {
      const scale = weight(context, `${op.name}/scale`, op.scale, [op.scale.length]);
      const offset = weight(context, `${op.name}/offset`, op.offset, [op.offset.length]);
      const product = graph.node(`${op.name}/scaled`, 'Mul', [at(op.input), scale], { T });
      return graph.node(op.name, 'AddV2', [product, offset], { T });
    }
    case 'dense': {
      const kernel = weight(context, `${op.name}/kernel`, op.kernel.data, op.kernel.shape);
      const bias = weight(context, `${op.name}/bias`, op.bias, [op.bias.length]);
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
        const logits = cast(graph, at(op.input), type, 'float32');
        const softmax = { T: { type: 'float32' } } as const;
        return cast(graph, graph.node(op.name, 'Softmax', [logits], softmax), 'float32', type);
      }
      return graph.node(op.name, ACTIVATION_OPS[op.activation], [at(op.input)], { T });
    case 'flatten':
      return emitFlatten(context, op.name, at(op.input));
    case 'identity':
      return at(op.input);
  }
}

/** A weight in the float type of the graph. */
function weight(
  { weights, type }: Context,
  name: string,
  data: Float32Array,
  shape: readonly number[],
): string {
  return weights[type](name, data, shape);
}

/** Reshapes to [batch, -1]; the batch size is known only at run time. */
function emitFlatten({ graph, T }: Context, name: string, source: string): string {
  const int32 = { type: 'int32' } as const;
  const sizes = graph.node(`${name}/sizes`, 'Shape', [source], { T, out_type: int32 });
  const begin = integers(graph, `${name}/begin`, [0]);
  const one = integers(graph, `${name}/one`, [1]);
  const batch = graph.node(`${name}/batch`, 'Slice', [sizes, begin, one], { T: int32, Index: int32 });
  const rest = integers(graph, `${name}/rest`, [-1]);
  const axis = integers(graph, `${name}/axis`, [0], []);
  const shape = graph.node(`${name}/shape`, 'ConcatV2', [batch, rest, axis], {
    T: int32,
    Tidx: int32,
    N: { integer: 2 },
  });
  return graph.node(name, 'Reshape', [source, shape], { T, Tshape: int32 });
}

/**
 * With oneDNN, a convolution with its bias, addition and ReLU is one node. TensorFlow's optimiser writes the same `Native`
 * op; here it also declares the filter constant, although it is an input, so that oneDNN reorders it once and not in
 * every run.
 */
function emitConvolution(context: Context, op: Conv2D): string {
  const { graph, T, type, variant } = context;
  const filter = weight(context, `${op.name}/filter`, op.filter.data, op.filter.shape);
  const bias = weight(context, `${op.name}/bias`, op.bias, [op.bias.length]);
  const input = floatOf(context, op.input);
  const activation =
    op.activation === undefined || op.activation === 'softmax' ? undefined : ACTIVATION_OPS[op.activation];
  const attributes = { T, ...convolutionAttributes(op) };
  if (variant !== 'float32-portable' && op.kind === 'conv2d') {
    const added = op.add === undefined ? [] : [floatOf(context, op.add)];
    const fused = ['BiasAdd', ...(added.length > 0 ? ['Add'] : []), ...(activation ? [activation] : [])];
    return graph.node(op.name, '_MklNativeFusedConv2D', [input, filter, bias, ...added], {
      ...attributes,
      _kernel: { text: 'MklNameChangeOp' },
      is_filter_const: { flag: true },
      num_args: { integer: 1 + added.length },
      TArgs: { types: [type, ...added.map(() => type)] },
      num_host_args: { integer: 0 },
      fused_ops: { texts: fused },
      epsilon: { number: 0 },
      leakyrelu_alpha: { number: 0.2 },
      filter_format: { text: 'HWIO' },
      use_cudnn_on_gpu: { flag: false },
    });
  }
  const kind = op.kind === 'conv2d' ? 'Conv2D' : 'DepthwiseConv2dNative';
  let result = graph.node(`${op.name}/convolution`, kind, [input, filter], attributes);
  result = graph.node(`${op.name}/biased`, 'BiasAdd', [result, bias], { T });
  if (op.add !== undefined) {
    result = graph.node(`${op.name}/added`, 'AddV2', [result, floatOf(context, op.add)], { T });
  }
  const last = activation ?? 'Identity';
  return graph.node(op.name, last, [result], { T });
}

export function convolutionAttributes(op: Conv2D): Record<string, Attribute> {
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

export function poolAttributes(op: Pool, T: Attribute): Record<string, Attribute> {
  return {
    T,
    ksize: { integers: [1, ...op.size, 1] },
    strides: { integers: [1, ...op.strides, 1] },
    padding: { text: op.padding },
    data_format: { text: 'NHWC' },
  };
}
