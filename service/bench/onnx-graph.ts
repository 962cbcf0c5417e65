import protobuf from 'protobufjs';

// A subset of onnx.proto3; field numbers from the ONNX repository, onnx/onnx.proto3.
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

/** AttributeProto.AttributeType */
const INT = 2;
const INTS = 7;
const FLOAT = 1;

/** TensorProto.DataType of each kind of data. */
const dataType = (data: TensorData): number => {
  if (data instanceof Float32Array) return FLOAT;
  if (data instanceof Uint8Array) return 2;
  return data instanceof Int8Array ? 3 : 6;
};

type TensorData = Float32Array | Uint8Array | Int8Array | Int32Array;
type Attributes = Readonly<Record<string, number | readonly number[]>>;

export interface OnnxGraph {
  /** Adds a node with one output, which has the node's name; returns the name. */
  node(name: string, op: string, inputs: readonly string[], attributes?: Attributes): string;
  /** Adds a constant; returns its name. */
  tensor(name: string, data: TensorData, dims: readonly number[]): string;
  /**
   * The file's bytes (opset 13). Both tensors are float32.
   *
   * @param input shape of `input` without the batch
   * @param output name and shape, without the batch, of the only output
   */
  model(
    input: readonly number[],
    output: { readonly name: string; readonly shape: readonly number[] },
  ): Uint8Array;
}

export function createOnnxGraph(): OnnxGraph {
  const nodes: object[] = [];
  const initializers: object[] = [];
  return {
    node(name, op, inputs, attributes = {}) {
      const attribute = Object.entries(attributes).map(([key, value]) =>
        typeof value === 'number'
          ? { name: key, i: value, type: INT }
          : { name: key, ints: value, type: INTS },
      );
      nodes.push({ name, op_type: op, input: inputs, output: [name], attribute });
      return name;
    },
    tensor(name, data, dims) {
      const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      initializers.push({ name, dims, data_type: dataType(data), raw_data: raw });
      return name;
    },
    model(input, output) {
      const graph = {
        name: 'model',
        node: nodes,
        initializer: initializers,
        input: [batchOf('input', input)],
        output: [batchOf(output.name, output.shape)],
      };
      const opsets = [{ domain: '', version: 13 }];
      const message = { ir_version: 8, producer_name: 'bench', opset_import: opsets, graph };
      return Model.encode(Model.fromObject(message)).finish();
    },
  };
}

function batchOf(name: string, shape: readonly number[]): object {
  const dim = [{ dim_param: 'N' }, ...shape.map((size) => ({ dim_value: size }))];
  return { name, type: { tensor_type: { elem_type: FLOAT, shape: { dim } } } };
}
