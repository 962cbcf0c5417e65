import protobuf from 'protobufjs';
import { fuse } from '../../models/compiler/fuse.ts';
import { readLayersModel } from '../../models/compiler/layers-model.ts';
import { lowerLayers } from '../../models/compiler/lower.ts';
import type { Conv2D, Op } from '../../models/compiler/ops.ts';

// The part of onnx.proto3 that a float32 network needs; field numbers from the ONNX repository, onnx/onnx.proto3.
const SCHEMA = `syntax = "proto3";
message Attribute { string name = 1; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
message Node { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated Attribute attribute = 5; }
message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Dimension { int64 dim_value = 1; string dim_param = 2; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message ValueInfo { string name = 1; Type type = 2; }
message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
message OperatorSet { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated OperatorSet opset_import = 8; }`;
const Model = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('Model');
const FLOAT = 1;
const INT = 2;
const INTS = 7;

type Attributes = Readonly<Record<string, number | readonly number[]>>;

/**
 * The same weights as an ONNX model (opset 13, channels first, batch norms folded as ours are), so that the two
 * runtimes can be compared on the same arithmetic. Knows what ResNet-50 needs.
 */
export async function onnxModel(modelJson: string): Promise<Uint8Array> {
  const program = fuse(lowerLayers(await readLayersModel(modelJson)));
  const nodes: object[] = [];
  const initializers: object[] = [];
  const outputs = new Map<string, string>();

  const node = (name: string, op: string, input: string[], attributes: Attributes = {}) => {
    const attribute = Object.entries(attributes).map(([key, value]) =>
      typeof value === 'number' ? { name: key, i: value, type: INT } : { name: key, ints: value, type: INTS },
    );
    nodes.push({ name, op_type: op, input, output: [name], attribute });
    return name;
  };
  const tensor = (name: string, data: Float32Array, dims: readonly number[]) => {
    initializers.push({
      name,
      dims,
      data_type: FLOAT,
      raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    });
    return name;
  };
  const at = (name: string) => outputs.get(name) ?? name;

  let shape: readonly number[] = [];
  for (const op of program.ops) {
    if (op.kind === 'input') {
      const [height, width, channels] = op.shape;
      shape = [channels ?? 0, height ?? 0, width ?? 0];
      outputs.set(op.name, 'input');
    } else outputs.set(op.name, convert(op, at, node, tensor));
  }
  const batch = { dim_param: 'N' };
  const value = (name: string, sizes: readonly number[]) => ({
    name,
    type: {
      tensor_type: {
        elem_type: FLOAT,
        shape: { dim: [batch, ...sizes.map((size) => ({ dim_value: size }))] },
      },
    },
  });
  const message = {
    ir_version: 8,
    producer_name: 'bench',
    opset_import: [{ domain: '', version: 13 }],
    graph: {
      name: 'model',
      node: nodes,
      initializer: initializers,
      input: [value('input', shape)],
      output: [value(at(program.output), [1000])],
    },
  };
  return Model.encode(Model.fromObject(message)).finish();
}

type AddNode = (name: string, op: string, input: string[], attributes?: Attributes) => string;
type AddTensor = (name: string, data: Float32Array, dims: readonly number[]) => string;

function convert(
  op: Exclude<Op, { kind: 'input' }>,
  at: (name: string) => string,
  node: AddNode,
  tensor: AddTensor,
): string {
  switch (op.kind) {
    case 'conv2d':
      return convolution(op, at, node, tensor);
    case 'pad': {
      const [[top, bottom], [left, right]] = op.margins;
      // MaxPool pads by itself; behind a ReLU zeros and minus infinity are the same to it.
      margins.set(op.name, [top, left, bottom, right]);
      return at(op.input);
    }
    case 'max-pool':
      return node(op.name, 'MaxPool', [at(op.input)], {
        kernel_shape: op.size,
        strides: op.strides,
        pads: margins.get(op.input) ?? [0, 0, 0, 0],
      });
    case 'global-average-pool':
      return node(op.name, 'Flatten', [node(`${op.name}/mean`, 'GlobalAveragePool', [at(op.input)])], {
        axis: 1,
      });
    case 'dense': {
      const kernel = tensor(`${op.name}/kernel`, op.kernel.data, op.kernel.shape);
      return node(op.name, 'Gemm', [
        at(op.input),
        kernel,
        tensor(`${op.name}/bias`, op.bias, [op.bias.length]),
      ]);
    }
    case 'activation':
      return node(op.name, op.activation === 'softmax' ? 'Softmax' : 'Relu', [at(op.input)]);
    default:
      throw new Error(`no ONNX for ${op.kind}`);
  }
}

const margins = new Map<string, readonly number[]>();

function convolution(op: Conv2D, at: (name: string) => string, node: AddNode, tensor: AddTensor): string {
  const [height = 0, width = 0, inputs = 0, filters = 0] = op.filter.shape;
  // [h, w, in, out] -> [out, in, h, w]
  const data = new Float32Array(op.filter.data.length);
  const area = height * width;
  for (let place = 0; place < area; place++)
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < filters; o++)
        data[(o * inputs + i) * area + place] = op.filter.data[(place * inputs + i) * filters + o] as number;
  const filter = tensor(`${op.name}/filter`, data, [filters, inputs, height, width]);
  const bias = tensor(`${op.name}/bias`, op.bias, [filters]);
  if (op.padding === 'SAME' && Math.max(...op.strides) > 1)
    throw new Error('SAME with strides differs in ONNX');
  const same = [(height - 1) / 2, (width - 1) / 2].map((size) => [size, size]);
  const padding = op.padding === 'SAME' ? same : op.padding === 'VALID' ? [] : op.padding;
  const pads = [padding[0]?.[0] ?? 0, padding[1]?.[0] ?? 0, padding[0]?.[1] ?? 0, padding[1]?.[1] ?? 0];
  let result = node(`${op.name}/convolution`, 'Conv', [at(op.input), filter, bias], {
    strides: op.strides,
    pads,
    kernel_shape: [height, width],
  });
  if (op.add !== undefined) result = node(`${op.name}/sum`, 'Add', [result, at(op.add)]);
  return op.activation ? node(op.name, 'Relu', [result]) : result;
}
