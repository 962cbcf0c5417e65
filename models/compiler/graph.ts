import { createRequire } from 'node:module';

// The protocol buffers with which tfjs-node reads SavedModels.
// biome-ignore lint/suspicious/noExplicitAny: google-protobuf generates no types for it.
const proto: any = createRequire(import.meta.url)('@tensorflow/tfjs-node/dist/proto/api_pb.js');

export type DataType = 'float32' | 'bfloat16' | 'int32' | 'uint8' | 'quint8' | 'qint8';
/** Numbers of TensorFlow's DataType enum. */
const DATA_TYPES: Record<DataType, number> = {
  float32: 1,
  int32: 3,
  uint8: 4,
  qint8: 11,
  quint8: 12,
  bfloat16: 14,
};

/** A node's attribute, tagged by its kind in TensorFlow's AttrValue. */
export type Attribute =
  | { readonly type: DataType }
  | { readonly text: string }
  | { readonly flag: boolean }
  | { readonly number: number }
  | { readonly integers: readonly number[] }
  | { readonly texts: readonly string[] }
  | { readonly types: readonly DataType[] }
  | { readonly integer: number }
  | { readonly shape: readonly number[] }
  | {
      readonly tensor: {
        readonly type: DataType;
        readonly shape: readonly number[];
        readonly bytes: Uint8Array;
      };
    };

/** An input or output of the graph: the node with this name; -1 in `shape` is the batch. */
export interface Endpoint {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly number[];
}

/** The inputs and outputs of a call. */
interface Signature {
  readonly inputs: readonly Endpoint[];
  readonly outputs: readonly Endpoint[];
}

/** Collects nodes of a flat GraphDef, then writes it as a SavedModel. */
export interface GraphBuilder {
  /** Adds a node; returns its name, for use as an input of others. */
  node(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute>>,
  ): string;
  /** The bytes of saved_model.pb (tag `serve`), with signatures by name. */
  savedModel(signatures: Readonly<Record<string, Signature>>): Uint8Array;
}

export function createGraph(): GraphBuilder {
  const graph = new proto.GraphDef();
  const versions = new proto.VersionDef();
  // GraphDef version of TensorFlow 2.9, which tfjs-node 4 uses; later versions of TensorFlow keep its meaning.
  versions.setProducer(1087);
  graph.setVersions(versions);
  return {
    node(name, op, inputs, attributes = {}) {
      const node = new proto.NodeDef();
      node.setName(name);
      node.setOp(op);
      for (const input of inputs) node.addInput(input);
      for (const [key, value] of Object.entries(attributes)) node.getAttrMap().set(key, attribute(value));
      graph.addNode(node);
      return name;
    },
    savedModel(signatures) {
      const information = new proto.MetaGraphDef.MetaInfoDef();
      information.addTags('serve');
      const metaGraph = new proto.MetaGraphDef();
      metaGraph.setMetaInfoDef(information);
      metaGraph.setGraphDef(graph);
      for (const [name, { inputs, outputs }] of Object.entries(signatures)) {
        const signature = new proto.SignatureDef();
        for (const input of inputs) signature.getInputsMap().set(input.name, tensorInfo(input));
        for (const output of outputs) signature.getOutputsMap().set(output.name, tensorInfo(output));
        signature.setMethodName('tensorflow/serving/predict');
        metaGraph.getSignatureDefMap().set(name, signature);
      }
      const model = new proto.SavedModel();
      model.setSavedModelSchemaVersion(1);
      model.addMetaGraphs(metaGraph);
      return model.serializeBinary();
    },
  };
}

function attribute(value: Attribute) {
  const message = new proto.AttrValue();
  if ('type' in value) message.setType(DATA_TYPES[value.type]);
  else if ('text' in value) message.setS(Buffer.from(value.text));
  else if ('flag' in value) message.setB(value.flag);
  else if ('number' in value) message.setF(value.number);
  else if ('integer' in value) message.setI(value.integer);
  else if ('shape' in value) message.setShape(tensorShape(value.shape));
  else if ('tensor' in value) message.setTensor(tensor(value.tensor));
  else {
    const list = new proto.AttrValue.ListValue();
    if ('integers' in value) for (const entry of value.integers) list.addI(entry);
    else if ('types' in value) for (const entry of value.types) list.addType(DATA_TYPES[entry]);
    else for (const entry of value.texts) list.addS(Buffer.from(entry));
    message.setList(list);
  }
  return message;
}

function tensor(value: { type: DataType; shape: readonly number[]; bytes: Uint8Array }) {
  const message = new proto.Tensor();
  message.setDtype(DATA_TYPES[value.type]);
  message.setTensorShape(tensorShape(value.shape));
  message.setTensorContent(value.bytes);
  return message;
}

function tensorShape(sizes: readonly number[]) {
  const shape = new proto.TensorShape();
  for (const size of sizes) {
    const dimension = new proto.TensorShape.Dim();
    dimension.setSize(size);
    shape.addDim(dimension);
  }
  return shape;
}

function tensorInfo(endpoint: Endpoint) {
  const info = new proto.TensorInfo();
  info.setName(`${endpoint.name}:0`);
  info.setDtype(DATA_TYPES[endpoint.type]);
  info.setTensorShape(tensorShape(endpoint.shape));
  return info;
}
