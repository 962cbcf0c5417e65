import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Column, LoadRuntime, RuntimeSpec } from './runtime.ts';

type OnnxRuntime = typeof import('onnxruntime-node');

/**
 * Loads an ONNX file: one float input [batch, ...inputShape], or for tables one input per column, each [batch, 1], as
 * skl2onnx writes them for columns of different types. The output is one float tensor [batch, classes].
 */
export const loadOnnxModel: LoadRuntime = async (spec) => {
  const ort = await loadOnnxRuntime();
  const session = await ort.InferenceSession.create(spec.path, { logSeverityLevel: 3 });
  const toFeeds = createFeeder(ort, session, spec);
  const name = outputName(session, spec.output);
  return {
    async infer(input, size) {
      const output = (await session.run(toFeeds(input, size), [name]))[name] as Tensor;
      try {
        return toFloat32(await output.getData());
      } finally {
        output.dispose();
      }
    },
  };
};

/** An optional dependency, loaded only if a model needs it. */
async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  try {
    return await import('onnxruntime-node');
  } catch (cause) {
    throw new Error('onnxruntime-node is not installed; install it with `npm install onnxruntime-node`', {
      cause,
    });
  }
}

const ELEMENTS: Readonly<Record<string, (values: Float32Array) => Tensor.DataType>> = {
  float32: (values) => values,
  float64: (values) => Float64Array.from(values),
  int32: (values) => Int32Array.from(values),
  int64: (values) => BigInt64Array.from(values, (value) => BigInt(Math.round(value))),
  bool: (values) => Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)),
};

type Feeds = Readonly<Record<string, Tensor>>;

/** Returns a function from a batch to the model's inputs. @throws Error if the model's inputs do not fit the manifest */
function createFeeder(
  ort: OnnxRuntime,
  session: InferenceSession,
  spec: RuntimeSpec,
): (input: Float32Array, size: number) => Feeds {
  const { inputShape, columns } = spec;
  const inputs = session.inputMetadata.map((input) => {
    if (!input.isTensor) throw new Error(`its input ${input.name} is not a tensor`);
    return input;
  });
  const tensor = (type: string, values: Float32Array, dims: number[], column?: Column): Tensor => {
    if (type === 'string' && column?.categories) {
      const { categories } = column;
      return new ort.Tensor(
        'string',
        Array.from(values, (value) => categories[value] ?? ''),
        dims,
      );
    }
    const convert = ELEMENTS[type];
    if (!convert)
      throw new Error(`its input${column ? ` ${column.name}` : ''} has the unsupported type ${type}`);
    return new ort.Tensor(type as 'float32', convert(values) as Float32Array, dims);
  };
  const [only] = inputs;
  const byColumn = columns?.map((column) => inputs.find(({ name }) => name === column.name));
  if (columns && byColumn && inputs.length === columns.length && byColumn.every(Boolean)) {
    return (input, size) =>
      Object.fromEntries(
        columns.map((column, index) => {
          const values = Float32Array.from(
            { length: size },
            (_, row) => input[row * columns.length + index] ?? 0,
          );
          return [column.name, tensor(byColumn[index]?.type ?? '', values, [size, 1], column)];
        }),
      );
  }
  if (!only || inputs.length !== 1) {
    const names = inputs.map(({ name }) => name).join(', ');
    throw new Error(`its inputs (${names}) are neither one matrix nor one per feature of the manifest`);
  }
  const shape = only.shape.slice(1);
  const fits = shape.length === inputShape.length && shape.every((side, i) => fitsSide(side, inputShape[i]));
  if (only.shape.length > 0 && !fits) {
    throw new Error(
      `its input ${only.name} has shape [${only.shape.join(', ')}], the manifest says [batch, ${inputShape.join(', ')}]`,
    );
  }
  return (input, size) => ({ [only.name]: tensor(only.type, input, [size, ...inputShape]) });
}

/** A symbolic or unknown side (a name, -1) fits any size. */
const fitsSide = (side: number | string, wanted: number | undefined) =>
  typeof side === 'string' || side < 0 || side === wanted;

function outputName(session: InferenceSession, wanted: string | undefined): string {
  const floats = session.outputMetadata.filter(
    (output) => output.isTensor && (output.type === 'float32' || output.type === 'float64'),
  );
  const names = session.outputMetadata.map(({ name, isTensor }) => (isTensor ? name : `${name} (no tensor)`));
  if (wanted !== undefined) {
    if (floats.some(({ name }) => name === wanted)) return wanted;
    throw new Error(`it has no float output ${wanted}; its outputs are ${names.join(', ')}`);
  }
  const [only] = floats;
  if (only && floats.length === 1) return only.name;
  throw new Error(
    `it has ${floats.length} float outputs among ${names.join(', ')}; name one of them in /output/tensor (skl2onnx: export with zipmap=False)`,
  );
}

function toFloat32(data: Tensor.DataType): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  throw new Error('its output is neither float32 nor float64');
}
