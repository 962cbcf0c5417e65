import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FloatRuntime, RuntimeSpec } from './runtime.ts';

type Core = typeof import('@tensorflow/tfjs-core');
type Tensor = import('@tensorflow/tfjs-core').Tensor;
type ModelArtifacts = import('@tensorflow/tfjs-core').io.ModelArtifacts;
type WeightsGroup = import('@tensorflow/tfjs-core').io.WeightsManifestConfig[number];

/** The functions of tfjs that load and run a model, whichever package holds them. */
export interface Tfjs extends Pick<Core, 'tensor' | 'tidy'> {
  readonly loadLayersModel: typeof import('@tensorflow/tfjs-layers').loadLayersModel;
  readonly loadGraphModel: typeof import('@tensorflow/tfjs-converter').loadGraphModel;
}

/** Loads a tfjs layers or graph model as it is; it runs op by op, slower than a compiled one. */
export async function loadTfjsModel(tf: Tfjs, spec: RuntimeSpec): Promise<FloatRuntime> {
  const artifacts = { load: () => readArtifacts(spec.path) };
  if (spec.format === 'tfjs-layers') {
    const model = await tf.loadLayersModel(artifacts);
    return createTensorRuntime(tf, spec, (batch) => tf.tidy(() => model.predict(batch) as Tensor));
  }
  const model = await tf.loadGraphModel(artifacts);
  return createTensorRuntime(tf, spec, (batch) => tf.tidy(() => model.execute(batch, spec.output) as Tensor));
}

/**
 * Turns a function of tensors into a runtime, which owns both tensors of a call and frees them.
 *
 * @param run input of shape [size, ...inputShape] to output of shape [size, classes]
 */
export function createTensorRuntime(
  tf: Pick<Core, 'tensor'>,
  { inputShape }: RuntimeSpec,
  run: (batch: Tensor) => Tensor,
): FloatRuntime {
  return {
    async infer(input, size) {
      const batch = tf.tensor(input, [size, ...inputShape]);
      try {
        const output = run(batch);
        try {
          return (await output.data()) as Float32Array;
        } finally {
          output.dispose();
        }
      } finally {
        batch.dispose();
      }
    },
  };
}

/** Reads a tfjs model.json and the weight shards in the same folder. */
async function readArtifacts(modelJson: string): Promise<ModelArtifacts> {
  const document = JSON.parse(await readFile(modelJson, 'utf8'));
  const { modelTopology, weightsManifest, format, signature, userDefinedMetadata } = document;
  if (!modelTopology || !Array.isArray(weightsManifest)) {
    throw new Error('the file has no modelTopology and weightsManifest: it is not a tfjs model');
  }
  const parts: Buffer[] = [];
  for (const group of weightsManifest) {
    for (const path of group.paths) parts.push(await readFile(join(dirname(modelJson), path)));
  }
  const bytes = Buffer.concat(parts);
  return {
    modelTopology,
    format,
    weightSpecs: weightsManifest.flatMap((group: WeightsGroup) => group.weights),
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
    ...(signature ? { signature } : {}),
    ...(userDefinedMetadata ? { userDefinedMetadata } : {}),
  };
}
