import { createRequire } from 'node:module';
import util from 'node:util';
import { tuneTensorFlow } from '../../../../../models/cpu.ts';
import type { OpenRuntime, Runtime, RuntimeSpec } from './runtime.ts';
import { readArtifacts } from './tfjs-artifacts.ts';

type TensorFlow = typeof import('@tensorflow/tfjs-node');
type Tensor = ReturnType<TensorFlow['tensor']>;
type FloatRuntime = Runtime<Float32Array<ArrayBuffer>>;

/** Loads tfjs-node and its native addon. Throws when the addon is missing or does not fit this machine. */
export function loadTensorFlow(): TensorFlow {
  tuneTensorFlow();
  // tfjs-node 4 calls two helpers that Node 23 removed (tensorflow/tfjs #8609).
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  legacy.isArray ??= Array.isArray;
  return createRequire(import.meta.url)('@tensorflow/tfjs-node');
}

/** Opens a TensorFlow model as its exporter wrote it. */
export const openTensorFlow: OpenRuntime = async (spec) => {
  switch (spec.format) {
    case 'saved-model':
      return openSavedModel(loadTensorFlow(), spec);
    case 'tfjs-graph':
    case 'tfjs-layers':
      return openTfjs(loadTensorFlow(), spec);
    default:
      throw new Error(`tensorflow does not open ${spec.format}`);
  }
};

/** A SavedModel as Keras or TensorFlow exports it: signature serving_default with one input. */
async function openSavedModel(tf: TensorFlow, spec: RuntimeSpec): Promise<FloatRuntime> {
  const [graph] = await tf.node.getMetaGraphsFromSavedModel(spec.path);
  const signature = graph?.signatureDefs.serving_default;
  if (!signature) {
    const known = Object.keys(graph?.signatureDefs ?? {}).join(', ') || 'none';
    throw new Error(`it has no signature serving_default (it has ${known}); save it with model.export()`);
  }
  const [input, ...others] = Object.keys(signature.inputs);
  if (input === undefined || others.length > 0) {
    throw new Error(
      `its signature takes ${others.length + 1} inputs, not one: ${[input, ...others].join(', ')}`,
    );
  }
  const names = Object.keys(signature.outputs);
  const output = spec.output ?? (names.length === 1 ? names[0] : undefined);
  if (output === undefined || !names.includes(output)) {
    throw new Error(`its outputs are ${names.join(', ')}; name the answer in /output/tensor`);
  }
  const model = await tf.node.loadSavedModel(spec.path);
  return runner(tf, spec, (batch) => {
    const answers = model.predict({ [input]: batch }) as Record<string, Tensor>;
    return answers[output] as Tensor;
  });
}

/** A tfjs model as it is, run op by op: slower than a compiled one, but nothing has to be made first. */
async function openTfjs(tf: TensorFlow, spec: RuntimeSpec): Promise<FloatRuntime> {
  const artifacts = { load: () => readArtifacts(spec.path) };
  if (spec.format === 'tfjs-layers') {
    const model = await tf.loadLayersModel(artifacts);
    return runner(tf, spec, (batch) => tf.tidy(() => model.predict(batch) as Tensor));
  }
  const model = await tf.loadGraphModel(artifacts);
  return runner(tf, spec, (batch) => tf.tidy(() => model.execute(batch, spec.output) as Tensor));
}

/** Makes a tensor of the input, runs, and frees what was made. */
function runner(tf: TensorFlow, spec: RuntimeSpec, run: (batch: Tensor) => Tensor): FloatRuntime {
  return {
    async infer(input, size) {
      const batch = tf.tensor(input, [size, ...spec.inputShape]);
      try {
        const answer = run(batch);
        try {
          return (await answer.data()) as Float32Array;
        } finally {
          answer.dispose();
        }
      } finally {
        batch.dispose();
      }
    },
  };
}
