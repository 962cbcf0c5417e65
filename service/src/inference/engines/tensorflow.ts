import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import type { WeightInput } from '../../../../models/compiler/weights.ts';
import { AppError } from '../../domain/errors.ts';
import type { OpenRuntime, Runtime, RuntimeSpec } from './runtime.ts';
import { readArtifacts } from './tfjs-artifacts.ts';

type TensorFlow = typeof import('@tensorflow/tfjs-node');
type Tensor = ReturnType<TensorFlow['tensor']>;

/** Loads tfjs-node and its native addon. Throws when the addon is missing or does not fit this machine. */
export function loadTensorFlow(): TensorFlow {
  // tfjs-node 4 calls two helpers that Node 23 removed (tensorflow/tfjs #8609).
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  legacy.isArray ??= Array.isArray;
  return createRequire(import.meta.url)('@tensorflow/tfjs-node');
}

/** Opens whatever a tensorflow model may be. */
export const openTensorFlow: OpenRuntime = async (spec) => {
  const tf = loadTensorFlow();
  switch (spec.format) {
    case 'compiled':
      return openCompiled(tf, spec);
    case 'saved-model':
      return openSavedModel(tf, spec);
    case 'tfjs-graph':
    case 'tfjs-layers':
      return openTfjs(tf, spec);
    default:
      throw new Error(`tensorflow does not open ${spec.format}`);
  }
};

/** Opens a compiled SavedModel: input `input`, output `probabilities`, and the weights of stage `inputs` beside it. */
async function openCompiled(tf: TensorFlow, spec: RuntimeSpec): Promise<Runtime> {
  const model = await tf.node.loadSavedModel(spec.path);
  // Owned by the runtime for as long as its thread lives: they are passed to every run.
  const weights = spec.stage === 'inputs' ? await loadWeights(tf, spec.path) : {};
  let explainer: Promise<typeof model> | undefined;
  return {
    async explain(input, index) {
      // The same session under another signature: opened when it is first asked for, which few are.
      explainer ??= tf.node.loadSavedModel(spec.path, ['serve'], 'explain').catch((cause) => {
        const message = 'this model has no class activation maps: it does not end in global average pooling';
        throw new AppError('INVALID_REQUEST', message, {}, { cause });
      });
      const explaining = await explainer;
      const images = tf.tensor(input, [1, ...spec.inputShape]);
      const { probabilities, maps } = explaining.predict({ ...weights, input: images }) as Record<
        string,
        Tensor
      >;
      try {
        const shares = (await probabilities?.data()) as Float32Array;
        const chosen = index ?? shares.indexOf(Math.max(...shares));
        const [, height = 0, width = 0, classes = 0] = maps?.shape ?? [];
        const all = (await maps?.data()) as Float32Array;
        const values = Float32Array.from(
          { length: height * width },
          (_, place) => all[place * classes + chosen] ?? 0,
        );
        return { index: chosen, probability: shares[chosen] ?? 0, height, width, values };
      } finally {
        tf.dispose([images, probabilities, maps] as Tensor[]);
      }
    },
    async infer(input, size) {
      const images = tf.tensor(input, [size, ...spec.inputShape]);
      try {
        const outputs = model.predict({ ...weights, input: images }) as Record<string, Tensor>;
        const probabilities = outputs.probabilities;
        if (!probabilities) throw new Error(`the SavedModel at ${spec.path} has no output "probabilities"`);
        try {
          return (await probabilities.data()) as Float32Array;
        } finally {
          probabilities.dispose();
        }
      } finally {
        images.dispose();
      }
    },
  };
}

/** A SavedModel as Keras or TensorFlow exports it: signature serving_default with one input. */
async function openSavedModel(tf: TensorFlow, spec: RuntimeSpec): Promise<Runtime> {
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
async function openTfjs(tf: TensorFlow, spec: RuntimeSpec): Promise<Runtime> {
  const artifacts = { load: () => readArtifacts(spec.path) };
  if (spec.format === 'tfjs-layers') {
    const model = await tf.loadLayersModel(artifacts);
    return runner(tf, spec, (batch) => tf.tidy(() => model.predict(batch) as Tensor));
  }
  const model = await tf.loadGraphModel(artifacts);
  return runner(tf, spec, (batch) => tf.tidy(() => model.execute(batch, spec.output) as Tensor));
}

/** Makes a tensor of the input, runs, and frees what was made. */
function runner(tf: TensorFlow, spec: RuntimeSpec, run: (batch: Tensor) => Tensor): Runtime {
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

async function loadWeights(tf: TensorFlow, folder: string): Promise<Record<string, Tensor>> {
  const index = JSON.parse(await readFile(join(folder, 'weights.json'), 'utf8')) as WeightInput[];
  const { buffer, byteOffset } = await readFile(join(folder, 'weights.bin'));
  const weights: Record<string, Tensor> = {};
  for (const { name, type, shape, offset, bytes } of index) {
    const view = type === 'int32' ? Int32Array : Float32Array;
    weights[name] = tf.tensor(new view(buffer, byteOffset + offset, bytes / 4), [...shape], type);
  }
  return weights;
}
