import type { DataType, Endpoint, GraphBuilder } from './graph.ts';

/** A weight that is passed to every run, and its place in weights.bin. */
export interface WeightInput {
  readonly name: string;
  readonly type: 'float32' | 'int32';
  readonly shape: readonly number[];
  /** In bytes. */
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Adds weights to a graph as inputs: TensorFlow's optimiser copies constants in the first run, which takes seconds and
 * hundreds of megabytes. Inputs are as fast as constants, because oneDNN keeps a reordered copy of each filter.
 */
export interface WeightStore {
  /** Adds `data`; returns its node. */
  float32(name: string, data: Float32Array, shape: readonly number[]): string;
  /** Adds `data` rounded to bfloat16. */
  bfloat16(name: string, data: Float32Array, shape: readonly number[]): string;
  /** Adds 8-bit integers as qint8. */
  qint8(name: string, data: Int8Array, shape: readonly number[]): string;
  /** The input of a weight; undefined for a constant. */
  nameOf(name: string): string | undefined;
  /** The inputs that each run needs. */
  readonly inputs: readonly WeightInput[];
  readonly endpoints: readonly Endpoint[];
  /** The bytes of weights.bin, in the order of `inputs`. */
  readonly chunks: readonly Uint8Array[];
}

export function createWeightStore(graph: GraphBuilder): WeightStore {
  const inputs: WeightInput[] = [];
  const endpoints: Endpoint[] = [];
  const chunks: Uint8Array[] = [];
  let offset = 0;

  function placeholder(
    name: string,
    type: WeightInput['type'],
    shape: readonly number[],
    bytes: Uint8Array,
  ): string {
    inputs.push({ name, type, shape, offset, bytes: bytes.length });
    endpoints.push({ name, type, shape });
    chunks.push(bytes);
    offset += bytes.length;
    return graph.node(name, 'Placeholder', [], { dtype: { type }, shape: { shape } });
  }

  /** tfjs has no tensors of these types: `ratio` numbers are packed into one int32, which the graph casts without a copy. */
  function packed(
    name: string,
    type: 'bfloat16' | 'qint8',
    shape: readonly number[],
    bytes: Uint8Array,
  ): string {
    const ratio = type === 'qint8' ? 4 : 2;
    const last = shape.at(-1) ?? 0;
    if (last % ratio !== 0) return constant(graph, name, type, shape, bytes);
    const words = placeholder(`${name}/packed`, 'int32', [...shape.slice(0, -1), last / ratio], bytes);
    const cast = graph.node(`${name}/cast`, 'Bitcast', [words], { T: { type: 'int32' }, type: { type } });
    const sizes = integers(graph, `${name}/shape`, shape);
    return graph.node(name, 'Reshape', [cast, sizes], { T: { type }, Tshape: { type: 'int32' } });
  }

  return {
    inputs,
    endpoints,
    chunks,
    nameOf: (name) => inputs.find((input) => input.name === name || input.name === `${name}/packed`)?.name,
    float32: (name, data, shape) => placeholder(name, 'float32', shape, bytesOf(data)),
    bfloat16: (name, data, shape) => packed(name, 'bfloat16', shape, bfloat16Bytes(data)),
    qint8: (name, data, shape) => packed(name, 'qint8', shape, bytesOf(data)),
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

/** A constant float32 tensor, for ranges and scales; a scalar unless `shape` is given. */
export function floats(
  graph: GraphBuilder,
  name: string,
  values: readonly number[] | Float32Array,
  shape: readonly number[] = [],
): string {
  return constant(graph, name, 'float32', shape, bytesOf(Float32Array.from(values)));
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

const bytesOf = (data: Float32Array | Int32Array | Uint16Array | Int8Array) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** bfloat16 is the upper half of a float32, rounded to nearest, ties to even. */
function bfloat16Bytes(data: Float32Array): Uint8Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const halves = new Uint16Array(data.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i] as number;
    halves[i] = (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return bytesOf(halves);
}
