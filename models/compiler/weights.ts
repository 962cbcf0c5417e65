import type { DataType, Endpoint, GraphBuilder } from './graph.ts';

/** Where the weights live: in the graph as constants, or beside it, passed to every run. */
export type Stage = 'constants' | 'inputs';
export type Precision = 'float32' | 'bfloat16';

/** A weight that is passed to every run, and where its bytes lie in weights.bin. */
export interface WeightInput {
  readonly name: string;
  readonly type: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly offset: number;
  readonly bytes: number;
}

/** Puts weights into a graph one way or the other, hiding the difference from whoever writes the ops. */
export interface WeightStore {
  /** A node that yields `data` in the precision of the graph, shape `shape`. */
  add(name: string, data: Float32Array, shape: readonly number[]): string;
  /** What the caller must pass to each run: empty for constants. */
  readonly inputs: readonly WeightInput[];
  readonly endpoints: readonly Endpoint[];
  /** The bytes of weights.bin, in the order of `inputs`. */
  readonly chunks: readonly Uint8Array[];
}

export function createWeightStore(graph: GraphBuilder, precision: Precision, stage: Stage): WeightStore {
  const inputs: WeightInput[] = [];
  const endpoints: Endpoint[] = [];
  const chunks: Uint8Array[] = [];
  let offset = 0;

  function placeholder(
    name: string,
    type: 'float32' | 'int32',
    shape: readonly number[],
    bytes: Uint8Array,
  ): string {
    inputs.push({ name, type, shape, offset, bytes: bytes.length });
    endpoints.push({ name, type, shape });
    chunks.push(bytes);
    offset += bytes.length;
    return graph.node(name, 'Placeholder', [], { dtype: { type }, shape: { shape } });
  }

  return {
    inputs,
    endpoints,
    chunks,
    add(name, data, shape) {
      const bytes = precision === 'bfloat16' ? bfloat16Bytes(data) : bytesOf(data);
      if (stage === 'constants') return constant(graph, name, precision, shape, bytes);
      if (precision === 'float32') return placeholder(name, 'float32', shape, bytes);
      // tfjs has no bfloat16 tensors, so two of them travel as one int32 and are cast back in place, without a copy.
      const last = shape.at(-1) ?? 0;
      if (last % 2 !== 0) return constant(graph, name, precision, shape, bytes);
      const packed = placeholder(`${name}/packed`, 'int32', [...shape.slice(0, -1), last / 2], bytes);
      const pairs = graph.node(`${name}/pairs`, 'Bitcast', [packed], {
        T: { type: 'int32' },
        type: { type: 'bfloat16' },
      });
      const sizes = integers(graph, `${name}/shape`, shape);
      return graph.node(name, 'Reshape', [pairs, sizes], {
        T: { type: 'bfloat16' },
        Tshape: { type: 'int32' },
      });
    },
  };
}

/** A constant int32 vector, for shapes, axes and paddings. */
export function integers(
  graph: GraphBuilder,
  name: string,
  values: readonly number[],
  shape = [values.length],
): string {
  return constant(graph, name, 'int32', shape, bytesOf(Int32Array.from(values)));
}

function constant(
  graph: GraphBuilder,
  name: string,
  type: DataType,
  shape: readonly number[],
  bytes: Uint8Array,
) {
  return graph.node(name, 'Const', [], { dtype: { type }, value: { tensor: { type, shape, bytes } } });
}

const bytesOf = (data: Float32Array | Int32Array | Uint16Array) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** bfloat16 is the upper half of a float32, rounded to nearest, ties to even. */
export function bfloat16Bytes(data: Float32Array): Uint8Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const halves = new Uint16Array(data.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i] as number;
    halves[i] = (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return bytesOf(halves);
}
