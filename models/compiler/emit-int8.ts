import { convolutionAttributes, poolAttributes } from './emit-float.ts';
import type { Attribute } from './graph.ts';
import type { Conv2D, Op, Pool } from './ops.ts';
import { type Border, borderFor, coefficients, type PixelInput, zeroPixel } from './pixels.ts';
import { type Context, type Quantisable, type Quantised, quantisedOf } from './values.ts';
import { floats, integers } from './weights.ts';

/*
 * 8-bit arithmetic. Filters are symmetric, with one scale per output channel; activations after a ReLU are quint8 over
 * 0..r, outputs that are only added are qint8 over -r..r, where r comes from calibration. Each convolution is one
 * `_FusedQuantizedConv2D`, a kernel of every x86-64 build of TensorFlow since 2.11.
 */

/** Largest quantised filter value. */
const FILTER_MAX = 127;

/**
 * Largest sum of two adjacent filter values that read pixels. CPUs without VNNI add two 8-bit products in 16 bits and
 * saturate; pixels often use their full range, and 255 * 127 fits. Activations rarely come near it.
 */
const PIXEL_PAIR_MAX = 127;

/** The scale of a filter channel of zeros. */
const MIN_SCALE = 1e-8;

const quantisable = (op: Conv2D): boolean => op.kind === 'conv2d' && op.activation !== 'softmax';

/** The op itself if its float output is never negative: int8 can quantise it for the next op. */
export function quantisableOutput({ variant }: Context, op: Op): Quantisable | undefined {
  if (variant !== 'int8' || !('activation' in op)) return undefined;
  return op.activation === 'relu' || op.activation === 'relu6' ? op : undefined;
}

/**
 * Adds `op` in 8 bits if its inputs are quantised: convolutions, and the pooling and padding between them.
 *
 * @returns undefined if the op must be written in float
 */
export function emitInt8(context: Context, op: Op): Quantised | undefined {
  if (context.variant !== 'int8') return undefined;
  if (op.kind === 'conv2d') {
    const input = quantisedOf(context, op.input);
    const summand = op.add === undefined ? undefined : quantisedOf(context, op.add);
    if (input?.type !== 'quint8' || !quantisable(op) || (op.add !== undefined && !summand)) return undefined;
    return convolution(context, op, input, summand);
  }
  if (op.kind === 'max-pool' || op.kind === 'pad') {
    const input = quantisedOf(context, op.input);
    return input?.type === 'quint8' ? reshaping(context, op, input) : undefined;
  }
  return undefined;
}

/**
 * Adds the first convolution directly on pixels: the normalisation is folded into filter and bias, and the padding into a
 * border of pixels that the caller adds.
 *
 * @param pixels uint8 node, shape [batch, height, width, channels] with the border
 */
export function emitPixelConvolution(
  context: Context,
  op: Conv2D,
  node: string,
  input: PixelInput,
): Quantised {
  const { graph } = context;
  const quint8 = graph.node(`${node}/quint8`, 'Bitcast', [node], {
    T: { type: 'uint8' },
    type: { type: 'quint8' },
  });
  const pixels: Quantised = {
    type: 'quint8',
    node: quint8,
    minimum: floats(graph, `${node}/minimum`, [0]),
    maximum: floats(graph, `${node}/maximum`, [255]),
  };
  return convolution(context, onPixels(op, input), pixels, undefined, zeroPixel(input));
}

/** The only convolution that reads the input `name`, and its border; undefined if it cannot read pixels. */
export function pixelBorder(
  ops: readonly Op[],
  name: string,
  pixels: PixelInput,
  shape: readonly number[],
): { readonly op: Conv2D; readonly border: Border } | undefined {
  const users = ops.filter(
    (op) => ('input' in op && op.input === name) || (op.kind === 'add' && op.inputs.includes(name)),
  );
  const [op] = users;
  if (users.length !== 1 || op?.kind !== 'conv2d' || op.add !== undefined || !quantisable(op))
    return undefined;
  const border = borderFor(pixels, op, shape);
  return border && { op, border };
}

/** The filter in the scale and channel order of pixels: conv(w, x * factor - offset) = conv(w * factor, x - offset / factor). */
function onPixels(op: Conv2D, input: PixelInput): Conv2D {
  const { factors } = coefficients(input);
  const [height = 0, width = 0, depth = 0, outputs = 0] = op.filter.shape;
  const data = new Float32Array(op.filter.data.length);
  for (let place = 0; place < height * width; place++) {
    for (let channel = 0; channel < depth; channel++) {
      const source = (place * depth + channel) * outputs;
      const target = (place * depth + (input.channels === 'BGR' ? depth - 1 - channel : channel)) * outputs;
      for (let output = 0; output < outputs; output++) {
        data[target + output] = (op.filter.data[source + output] ?? 0) * (factors[channel] ?? 1);
      }
    }
  }
  return { ...op, filter: { ...op.filter, data }, padding: 'VALID' };
}

/**
 * The bias of a convolution on pixels, which are not centred: it subtracts the filter's response to the zero pixel. The
 * response is that of the rounded filter, so that its rounding errors multiply x - zero, not the much larger x.
 */
function centredBias(
  op: Conv2D,
  { values, limits }: QuantisedFilter,
  zeros: readonly number[],
): Float32Array {
  const [, , depth = 0, outputs = 0] = op.filter.shape;
  const bias = Float64Array.from(op.bias);
  for (let i = 0; i < values.length; i++) {
    const [output, channel] = [i % outputs, Math.floor(i / outputs) % depth];
    const weight = ((values[i] ?? 0) * (limits[output] ?? 0)) / FILTER_MAX;
    bias[output] = (bias[output] ?? 0) - weight * (zeros[channel] ?? 0);
  }
  return Float32Array.from(bias);
}

/** @param zeros for a convolution on pixels: the pixel that is normalised to zero, by channel */
function convolution(
  context: Context,
  op: Conv2D,
  input: Quantised,
  summand: Quantised | undefined,
  zeros?: readonly number[],
): Quantised {
  const { graph, weights } = context;
  const { name } = op;
  const source =
    typeof op.padding === 'string' ? input : padded(context, `${name}/padded`, op.padding, input);
  const quantised = quantiseFilter(op, zeros ? PIXEL_PAIR_MAX : undefined);
  const { values, limits } = quantised;
  const filter = weights.qint8(`${name}/filter`, values, op.filter.shape);
  const centred = zeros ? centredBias(op, quantised, zeros) : op.bias;
  const bias = weights.float32(`${name}/bias`, centred, [centred.length]);
  const isUnsigned = op.activation !== undefined;
  const measured = context.rangeOf(op);
  // Saturation at the end of the range is what ReLU6 does.
  const range = op.activation === 'relu6' ? Math.min(measured, 6) : measured;
  const type = isUnsigned ? 'quint8' : 'qint8';
  const minimum = floats(graph, `${name}/minimum`, [isUnsigned ? 0 : -range]);
  const maximum = floats(graph, `${name}/maximum`, [range]);
  const host = [
    source.minimum,
    source.maximum,
    floats(
      graph,
      `${name}/filter_minimum`,
      limits.map((limit) => -limit),
      [limits.length],
    ),
    floats(graph, `${name}/filter_maximum`, limits, [limits.length]),
    ...(summand ? [summand.minimum, summand.maximum] : []),
    minimum,
    maximum,
  ];
  const device = [source.node, filter, bias, ...(summand ? [summand.node] : [])];
  const padding = typeof op.padding === 'string' ? op.padding : 'VALID';
  graph.node(name, '_FusedQuantizedConv2D', [...device, ...host], {
    ...convolutionAttributes({ ...op, padding }),
    Tinput: { type: 'quint8' },
    Tfilter: { type: 'qint8' },
    Tbias: { type: 'float32' },
    Tsummand: { type: summand?.type ?? type },
    out_type: { type },
    Tdevice_inputs: { types: ['quint8', 'qint8', 'float32', ...(summand ? [summand.type] : [])] },
    Thost_inputs: { types: host.map(() => 'float32' as const) },
    Tdevice_outputs: { types: [type] },
    Thost_outputs: { types: ['float32', 'float32'] },
    is_filter_const: { flag: true },
    is_bias_const: { flag: true },
    alpha: { number: 0 },
    fused_ops: {
      texts: ['BiasAdd', ...(summand ? ['Sum'] : []), ...(isUnsigned ? ['Relu'] : []), 'Requantize'],
    },
  });
  return { type, node: name, minimum: `${name}:1`, maximum: `${name}:2` };
}

interface QuantisedFilter {
  readonly values: Int8Array;
  /** By output channel, the number that the value 127 represents. */
  readonly limits: readonly number[];
}

/**
 * q = round(w / s) for each output channel, which varies fastest in [h, w, in, out]. The scale s maps the largest |w| to
 * 127; with `pairMax` it is coarser if two adjacent input channels of the same sign would sum to more.
 */
function quantiseFilter(
  { filter: { data, shape } }: Conv2D,
  pairMax = Number.POSITIVE_INFINITY,
): QuantisedFilter {
  const [, , inputs = 0, outputs = 0] = shape;
  const scales = new Array<number>(outputs).fill(MIN_SCALE);
  const raise = (output: number, scale: number) => {
    if (scale > (scales[output] ?? 0)) scales[output] = scale;
  };
  for (let i = 0; i < data.length; i++) {
    const [value, output, input] = [data[i] ?? 0, i % outputs, Math.floor(i / outputs) % inputs];
    raise(output, Math.abs(value) / FILTER_MAX);
    const partner = input % 2 === 0 && input + 1 < inputs ? (data[i + outputs] ?? 0) : 0;
    if (value * partner > 0) raise(output, Math.abs(value + partner) / pairMax);
  }
  const values = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) values[i] = Math.round((data[i] ?? 0) / (scales[i % outputs] ?? 1));
  return { values, limits: scales.map((scale) => scale * FILTER_MAX) };
}

/** Pooling and padding keep the range; their kernels take uint8, which has the same bits as quint8. */
function reshaping(context: Context, op: Pool | Extract<Op, { kind: 'pad' }>, input: Quantised): Quantised {
  if (op.kind === 'pad') return padded(context, op.name, op.margins, input);
  const T = { type: 'uint8' } as const;
  return asUint8(context, op.name, input, (node) =>
    context.graph.node(op.name, 'MaxPool', [node], poolAttributes(op, T)),
  );
}

function padded(
  context: Context,
  name: string,
  margins: Exclude<Conv2D['padding'], string>,
  input: Quantised,
): Quantised {
  const paddings = integers(context.graph, `${name}/paddings`, [0, 0, ...margins.flat(), 0, 0], [4, 2]);
  const attributes: Record<string, Attribute> = { T: { type: 'uint8' }, Tpaddings: { type: 'int32' } };
  return asUint8(context, name, input, (node) =>
    context.graph.node(name, 'Pad', [node, paddings], attributes),
  );
}

function asUint8(
  { graph }: Context,
  name: string,
  input: Quantised,
  write: (node: string) => string,
): Quantised {
  const bits = graph.node(`${name}/uint8`, 'Bitcast', [input.node], {
    T: { type: 'quint8' },
    type: { type: 'uint8' },
  });
  const node = graph.node(`${name}/quint8`, 'Bitcast', [write(bits)], {
    T: { type: 'uint8' },
    type: { type: 'quint8' },
  });
  return { ...input, node };
}
