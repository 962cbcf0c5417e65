import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { emit } from './emit.ts';
import { fuse } from './fuse.ts';
import { readLayersModel } from './layers-model.ts';
import { lowerLayers } from './lower.ts';
import type { Precision, Stage } from './weights.ts';

export type { Precision, Stage, WeightInput } from './weights.ts';

export interface CompileOptions {
  /** Path of the layers model's model.json; its shards lie beside it. */
  readonly modelJson: string;
  /** Folder to write into; made when it is not there. */
  readonly outDir: string;
  readonly precision: Precision;
  readonly stage: Stage;
}

/**
 * Turns a tfjs layers model into an optimised TensorFlow SavedModel: saved_model.pb, and for stage `inputs` also
 * weights.bin with its index weights.json (a list of WeightInput).
 *
 * @returns the names of the files written into outDir
 * @throws AppError INVALID_MODEL that names the layer or setting the compiler does not know
 */
export async function compileLayersModel(options: CompileOptions): Promise<string[]> {
  const program = fuse(lowerLayers(await readLayersModel(options.modelJson)));
  const emitted = emit(program, options.precision, options.stage);
  const files: Record<string, string | Uint8Array> = { 'saved_model.pb': emitted.savedModel };
  if (options.stage === 'inputs') {
    files['weights.bin'] = emitted.weights;
    files['weights.json'] = JSON.stringify(emitted.weightInputs);
  }
  await mkdir(options.outDir, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(options.outDir, name), content);
  return Object.keys(files);
}
