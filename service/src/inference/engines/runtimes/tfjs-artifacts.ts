import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

type ModelArtifacts = import('@tensorflow/tfjs-core').io.ModelArtifacts;
type WeightsGroup = import('@tensorflow/tfjs-core').io.WeightsManifestConfig[number];

/** Reads a tfjs model.json and the weight shards beside it. */
export async function readArtifacts(modelJson: string): Promise<ModelArtifacts> {
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
