import { AppError } from '../../service/src/domain/errors.ts';
import type { Attribute, DataType, GraphBuilder } from './graph.ts';
import type { Conv2D } from './ops.ts';
import type { Variant } from './variants.ts';
import { floats, type WeightStore } from './weights.ts';

/** A quantised tensor: 8-bit numbers, and the float32 nodes of their range. */
export interface Quantised {
  /** quint8 covers 0..r, qint8 covers -r..r. */
  readonly type: 'quint8' | 'qint8';
  readonly node: string;
  readonly minimum: string;
  readonly maximum: string;
}

/** An op with a quantised output: signed unless it has an activation. */
export type Quantisable = Pick<Conv2D, 'name' | 'activation'>;

/** The output of an op, in the forms written so far; `float` has the graph's type (float32 or bfloat16). */
interface Value {
  float?: string;
  quantised?: Quantised;
  /** Set if the float output is never negative, so that it can be quantised for an int8 op. */
  quantisable?: Quantisable;
}

/** The graph, and the value of each op written so far. */
export interface Context {
  readonly graph: GraphBuilder;
  readonly weights: WeightStore;
  readonly variant: Variant;
  /** Type of float tensors between ops. */
  readonly type: 'float32' | 'bfloat16';
  readonly T: Attribute;
  /** int8: largest absolute value of an op's output. */
  readonly rangeOf: (op: Quantisable) => number;
  readonly values: Map<string, Value>;
}

function definedValue({ values }: Context, name: string): Value {
  return values.get(name) ?? fail(`op "${name}" is used before it is defined`);
}

/** The quantised form of an op's output, if it has one; a float output is quantised once. */
export function quantisedOf(context: Context, name: string): Quantised | undefined {
  const value = definedValue(context, name);
  if (value.quantised || !value.quantisable || value.float === undefined) return value.quantised;
  const { graph } = context;
  const limits = [0, context.rangeOf(value.quantisable)].map((limit, index) =>
    floats(graph, `${name}/quantised/${index === 0 ? 'minimum' : 'maximum'}`, [limit]),
  );
  const node = graph.node(`${name}/quantised`, 'QuantizeV2', [value.float, ...limits], {
    T: { type: 'quint8' },
    mode: { text: 'SCALED' },
    round_mode: { text: 'HALF_TO_EVEN' },
    narrow_range: { flag: false },
    axis: { integer: -1 },
    ensure_minimum_range: { number: 0.01 },
  });
  value.quantised = { type: 'quint8', node, minimum: `${node}:1`, maximum: `${node}:2` };
  return value.quantised;
}

/** The float node of an op's output; a quantised output is dequantised once. */
export function floatOf(context: Context, name: string): string {
  const value = definedValue(context, name);
  if (value.float === undefined) {
    const { type, node, minimum, maximum } = value.quantised as Quantised;
    value.float = context.graph.node(`${name}/float`, 'Dequantize', [node, minimum, maximum], {
      T: { type },
      mode: { text: 'SCALED' },
      narrow_range: { flag: false },
      axis: { integer: -1 },
      dtype: { type: 'float32' },
    });
  }
  return value.float;
}

/** A node with `from` as `target`; `from` itself if it has that type. */
export function cast(graph: GraphBuilder, from: string, source: DataType, target: DataType): string {
  if (source === target) return from;
  return graph.node(`${from}/to_${target}`, 'Cast', [from], {
    SrcT: { type: source },
    DstT: { type: target },
  });
}

export function fail(why: string): never {
  throw new AppError('INVALID_MODEL', why);
}
