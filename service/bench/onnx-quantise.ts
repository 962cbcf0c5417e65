import type { OnnxGraph } from './onnx-graph.ts';

/*
 * Static 8-bit quantisation as pairs of QuantizeLinear and DequantizeLinear (QDQ), which both ONNX Runtime and OpenVINO
 * turn into 8-bit kernels: uint8 activations, int8 weights with one scale per output channel.
 */

/** A tensor whose values were rounded to 8 bits. */
export interface QdqTensor {
  /** The dequantised node. */
  readonly node: string;
  readonly scale: number;
}

const WEIGHT_MAX = 127;

/** Rounds `source` to uint8 over minimum..maximum. */
export function quantise(
  graph: OnnxGraph,
  source: string,
  { minimum, maximum }: { readonly minimum: number; readonly maximum: number },
): QdqTensor {
  const scale = (maximum - minimum) / 255;
  const parameters = [
    graph.tensor(`${source}/scale`, Float32Array.of(scale), []),
    graph.tensor(`${source}/zero`, Uint8Array.of(Math.round(-minimum / scale)), []),
  ];
  const rounded = graph.node(`${source}/quantised`, 'QuantizeLinear', [source, ...parameters]);
  return { node: graph.node(`${source}/qdq`, 'DequantizeLinear', [rounded, ...parameters]), scale };
}

/**
 * Adds an 8-bit filter and the 32-bit bias that goes with it; returns their dequantised nodes.
 *
 * @param filter shape `dims`: [out, ...]
 * @param inputScale of the tensor that the filter is applied to
 */
export function quantisedWeights(
  graph: OnnxGraph,
  name: string,
  { filter, dims, bias }: { filter: Float32Array; dims: readonly number[]; bias: Float32Array },
  inputScale: number,
): string[] {
  const [outputs = 1] = dims;
  const each = filter.length / outputs;
  const scales = new Float32Array(outputs);
  const values = new Int8Array(filter.length);
  for (let output = 0; output < outputs; output++) {
    const channel = filter.subarray(output * each, (output + 1) * each);
    const scale = channel.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-8) / WEIGHT_MAX;
    scales[output] = scale;
    for (let i = 0; i < each; i++) values[output * each + i] = Math.round((channel[i] ?? 0) / scale);
  }
  const biasScales = scales.map((scale) => scale * inputScale);
  const sums = Int32Array.from(bias, (value, output) => Math.round(value / (biasScales[output] ?? 1)));
  const dequantised = (
    part: string,
    data: Int8Array | Int32Array,
    shape: readonly number[],
    by: Float32Array,
  ) =>
    graph.node(
      `${name}/${part}`,
      'DequantizeLinear',
      [
        graph.tensor(`${name}/${part}/values`, data, shape),
        graph.tensor(`${name}/${part}/scales`, by, [outputs]),
        graph.tensor(
          `${name}/${part}/zeros`,
          data instanceof Int8Array ? new Int8Array(outputs) : new Int32Array(outputs),
          [outputs],
        ),
      ],
      { axis: 0 },
    );
  return [dequantised('filter', values, dims, scales), dequantised('bias', sums, [outputs], biasScales)];
}
