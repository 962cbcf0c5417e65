import type { ModelInfo } from '../../../domain/classifier.ts';
import { AppError } from '../../../domain/errors.ts';
import type { Classification } from '../../../domain/prediction.ts';
import type { FeatureInfo, Row, TabularModelInfo, TabularPrediction } from '../../../domain/tabular.ts';
import type { InferRequest, InputTensor, ModelMetadata, OutputTensor } from './schema.ts';

const NUMERIC = /^(FP(16|32|64)|U?INT(8|16|32|64)|BOOL)$/;

/** The protocol's metadata of a model: its tensors by name. */
export function metadataOf(info: ModelInfo | TabularModelInfo): ModelMetadata {
  const inputs =
    'features' in info.input
      ? info.input.features.map(({ name, type }) => ({ name, datatype: datatypeOf(type), shape: [-1, 1] }))
      : [{ name: 'image', datatype: 'BYTES', shape: [-1] }];
  const classes = info.labels.length;
  const outputs =
    info.task === 'image-classification'
      ? [
          { name: 'label', datatype: 'BYTES', shape: [-1, -1] },
          { name: 'index', datatype: 'INT64', shape: [-1, -1] },
          { name: 'probability', datatype: 'FP32', shape: [-1, -1] },
        ]
      : info.task === 'tabular-regression'
        ? [{ name: 'value', datatype: 'FP32', shape: [-1] }]
        : [
            { name: 'label', datatype: 'BYTES', shape: [-1] },
            { name: 'probabilities', datatype: 'FP32', shape: [-1, classes] },
          ];
  return {
    name: info.name,
    versions: [info.version],
    platform: `ml-serverless_${info.engine}`,
    inputs,
    outputs,
  };
}

const datatypeOf = (type: FeatureInfo['type']) =>
  type === 'category' ? 'BYTES' : type === 'integer' ? 'INT64' : 'FP64';

/** The rows of a request: one matrix [rows, features], or one tensor per feature. @throws AppError INVALID_REQUEST */
export function rowsOf({ inputs }: InferRequest, features: readonly FeatureInfo[]): Row[] {
  const [only] = inputs;
  const isMatrix = inputs.length === 1 && only?.shape.length === 2 && only.shape[1] === features.length;
  if (only && isMatrix && !(features.length === 1 && only.name === features[0]?.name)) {
    const values = flatten(only);
    const [rows = 0, width = 0] = only.shape;
    return Array.from({ length: rows }, (_, row) => values.slice(row * width, (row + 1) * width));
  }
  const columns = inputs.map((input) => {
    const { name, shape } = input;
    if (!features.some((feature) => feature.name === name)) {
      const known = features.map((feature) => feature.name).join(', ');
      throw invalid(
        `the input ${JSON.stringify(name.slice(0, 128))} is neither a matrix [rows, ${features.length}] nor one of ${known}`,
      );
    }
    if (shape.length !== 1 && !(shape.length === 2 && shape[1] === 1)) {
      throw invalid(`the input ${name} must have shape [rows] or [rows, 1]`);
    }
    return { name, values: flatten(input) };
  });
  const rows = columns[0]?.values.length ?? 0;
  for (const { name, values } of columns) {
    if (values.length !== rows)
      throw invalid(`the input ${name} has ${values.length} rows, others have ${rows}`);
  }
  if (new Set(columns.map(({ name }) => name)).size < columns.length) throw invalid('an input occurs twice');
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(columns.map(({ name, values }) => [name, values[row]])),
  );
}

/** The images of a request in base64: one BYTES tensor [n] (or [n, 1]). @throws AppError INVALID_REQUEST */
export function imagesOf({ inputs }: InferRequest): string[] {
  const [only] = inputs;
  if (!only || inputs.length !== 1 || only.datatype !== 'BYTES') {
    throw invalid('an image model takes one input, BYTES of shape [n], that holds images in base64');
  }
  return flatten(only).map(String);
}

/** Output tensors for rows. */
export function tensorsOfRows(
  { predictions }: TabularPrediction,
  { labels }: TabularModelInfo,
): OutputTensor[] {
  const count = predictions.length;
  const [first] = predictions;
  if (first && 'value' in first) {
    const data = predictions.map((each) => ('value' in each ? each.value : Number.NaN));
    return [{ name: 'value', datatype: 'FP32', shape: [count], data }];
  }
  const classes = predictions.filter((each) => 'label' in each);
  const shares = classes.flatMap(({ probabilities }) => labels.map((label) => probabilities[label] ?? 0));
  return [
    { name: 'label', datatype: 'BYTES', shape: [count], data: classes.map(({ label }) => label) },
    { name: 'probabilities', datatype: 'FP32', shape: [count, labels.length], data: shares },
  ];
}

/** Output tensors for images, each [images, k]. */
export function tensorsOfImages(classifications: readonly Classification[]): OutputTensor[] {
  const all = classifications.flatMap(({ predictions }) => predictions);
  const shape = [classifications.length, classifications[0]?.predictions.length ?? 0];
  return [
    { name: 'label', datatype: 'BYTES', shape, data: all.map(({ label }) => label) },
    { name: 'index', datatype: 'INT64', shape, data: all.map(({ index }) => index) },
    { name: 'probability', datatype: 'FP32', shape, data: all.map(({ probability }) => probability) },
  ];
}

/** The requested outputs; all if none is requested. @throws AppError INVALID_REQUEST */
export function selectOutputs(tensors: OutputTensor[], { outputs }: InferRequest): OutputTensor[] {
  if (!outputs || outputs.length === 0) return tensors;
  return outputs.map(({ name }) => {
    const found = tensors.find((tensor) => tensor.name === name);
    if (found) return found;
    const known = tensors.map((tensor) => tensor.name).join(', ');
    throw invalid(`unknown output ${JSON.stringify(name.slice(0, 128))}; available: ${known}`);
  });
}

/** A tensor's data, flat; as many values as its shape says, of its datatype. */
function flatten({ name, shape, datatype, data }: InputTensor): unknown[] {
  const values = data.flat(shape.length) as unknown[];
  const expected = shape.reduce((product, side) => product * side, 1);
  if (expected !== values.length || shape.some((side) => side < 0)) {
    throw invalid(`the input ${name} has ${values.length} values, its shape [${shape}] says ${expected}`);
  }
  if (datatype === 'BYTES') {
    if (values.every((value) => typeof value === 'string')) return values;
    throw invalid(`the input ${name} is BYTES but holds something other than strings`);
  }
  if (!NUMERIC.test(datatype))
    throw invalid(`the input ${name} has the unknown datatype ${datatype.slice(0, 32)}`);
  return datatype === 'BOOL'
    ? values.map((value) => (typeof value === 'boolean' ? Number(value) : value))
    : values;
}

const invalid = (message: string) => new AppError('INVALID_REQUEST', message);
