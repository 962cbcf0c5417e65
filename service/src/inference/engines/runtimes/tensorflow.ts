import { createRequire } from 'node:module';
import util from 'node:util';
import type { FloatRuntime, LoadRuntime, RuntimeSpec } from './runtime.ts';
import { loadAddon } from './tensorflow-addon.ts';
import { createTensorRuntime, loadTfjsModel } from './tfjs-model.ts';

type TensorFlow = typeof import('@tensorflow/tfjs-node');
type Tensor = ReturnType<TensorFlow['tensor']>;

/** Loads tfjs-node and its native addon. @throws AddonUnavailable */
export function loadTensorFlow(): TensorFlow {
  loadAddon();
  // tfjs-node 4 calls two helpers that Node 23 removed (tensorflow/tfjs #8609).
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  legacy.isArray ??= Array.isArray;
  return createRequire(import.meta.url)('@tensorflow/tfjs-node');
}

/** Loads a TensorFlow model as its exporter wrote it. */
export const loadTensorFlowModel: LoadRuntime = async (spec) => {
  switch (spec.format) {
    case 'saved-model':
      return loadSavedModel(loadTensorFlow(), spec);
    case 'tfjs-graph':
    case 'tfjs-layers':
      return loadTfjsModel(loadTensorFlow(), spec);
    default:
      throw new Error(`tensorflow does not open ${spec.format}`);
  }
};

/** A SavedModel as Keras or TensorFlow exports it: signature serving_default with one input. */
async function loadSavedModel(tf: TensorFlow, spec: RuntimeSpec): Promise<FloatRuntime> {
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
    throw new Error(`its outputs are ${names.join(', ')}; name one of them in /output/tensor`);
  }
  const model = await tf.node.loadSavedModel(spec.path);
  return createTensorRuntime(tf, spec, (batch) => {
    const outputs = model.predict({ [input]: batch }) as Record<string, Tensor>;
    return outputs[output] as Tensor;
  });
}
