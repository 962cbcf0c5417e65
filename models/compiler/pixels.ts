import type { Endpoint } from './graph.ts';
import type { Conv2D, Margins } from './ops.ts';
import { type Context, cast } from './values.ts';
import { floats, integers } from './weights.ts';

/** How 8-bit pixels become the network's input: value = (pixel * scale - mean) / std for each channel. */
export interface PixelInput {
  readonly channels: 'RGB' | 'BGR' | 'GRAY';
  readonly scale: number;
  /** In the order of `channels`. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Pixels around the picture, in place of the zeros around the network's normalised input. */
export interface Border {
  readonly margins: Margins;
  /** 8-bit, in the order of the pixels: RGB or grey. */
  readonly color: readonly number[];
}

/** value = pixel * factor - offset, in the order of `channels`. */
export function coefficients({ scale, mean, std }: PixelInput): { factors: number[]; offsets: number[] } {
  return {
    factors: std.map((deviation) => scale / deviation),
    offsets: mean.map((value, channel) => value / (std[channel] ?? 1)),
  };
}

/** Adds the normalisation of the pixels at `node` (uint8, RGB or grey); returns the float node. */
export function normalise(context: Context, name: string, node: string, pixels: PixelInput): string {
  const { graph, type } = context;
  const { factors, offsets } = coefficients(pixels);
  let ordered = node;
  if (pixels.channels === 'BGR') {
    const axis = integers(graph, `${name}/channel_axis`, [3]);
    ordered = graph.node(`${name}/bgr`, 'ReverseV2', [node, axis], {
      T: { type: 'uint8' },
      Tidx: { type: 'int32' },
    });
  }
  const float32 = { T: { type: 'float32' } } as const;
  let value = cast(graph, ordered, 'uint8', 'float32');
  if (factors.some((factor) => factor !== 1)) {
    const factor = floats(graph, `${name}/factors`, factors, [factors.length]);
    value = graph.node(`${name}/scaled`, 'Mul', [value, factor], float32);
  }
  const offset = floats(graph, `${name}/offsets`, offsets, [offsets.length]);
  value = graph.node(`${name}/centred`, 'Sub', [value, offset], float32);
  return cast(graph, value, 'float32', type);
}

/**
 * The border that replaces a convolution's zero padding when it reads pixels instead of normalised numbers.
 *
 * @param input shape of one picture: [height, width, channels]
 * @returns undefined if no pixel is normalised to zero, or the scale is negative: the convolution stays in float
 */
export function borderFor(
  pixels: PixelInput,
  conv: Conv2D,
  [height = 0, width = 0]: Endpoint['shape'],
): Border | undefined {
  const color = zeroPixel(pixels).map(Math.round);
  const isPositive = coefficients(pixels).factors.every((factor) => factor > 0);
  if (!isPositive || color.some((zero) => zero < 0 || zero > 255)) return undefined;
  return { margins: marginsOf(conv, [height, width]), color };
}

/** The pixel that is normalised to zero, in the order of the pixels (RGB or grey); usually a fraction. */
export function zeroPixel(pixels: PixelInput): number[] {
  const { factors, offsets } = coefficients(pixels);
  const zeros = factors.map((factor, channel) => (offsets[channel] ?? 0) / factor);
  return pixels.channels === 'BGR' ? zeros.reverse() : zeros;
}

/** The zeros around the input of a convolution, for every kind of padding. */
function marginsOf(
  { padding, filter, strides, dilations }: Conv2D,
  sides: readonly [number, number],
): Margins {
  if (typeof padding !== 'string') return padding;
  if (padding === 'VALID') return NO_MARGINS;
  // TensorFlow's SAME: the fewest zeros that yield ceil(side / stride) places, an odd one at the end.
  const along = (axis: 0 | 1): readonly [number, number] => {
    const reach = ((filter.shape[axis] ?? 1) - 1) * dilations[axis] + 1;
    const total = Math.max(
      (Math.ceil(sides[axis] / strides[axis]) - 1) * strides[axis] + reach - sides[axis],
      0,
    );
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  };
  return [along(0), along(1)];
}

const NO_MARGINS: Margins = [
  [0, 0],
  [0, 0],
];
