import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivationMaps } from './activation-maps.ts';
import { emit, type GraphInput } from './emit.ts';
import { fuse } from './fuse.ts';
import { readLayersModel } from './layers-model.ts';
import { lowerLayers } from './lower.ts';
import type { Program } from './ops.ts';
import type { PixelInput } from './pixels.ts';
import { lookUp, readRanges } from './ranges.ts';
import type { Variant } from './variants.ts';
import type { WeightInput } from './weights.ts';

export interface CompileOptions {
  /** Path of the layers model's model.json; its shards are in the same folder. */
  readonly modelJson: string;
  /** Output folder; created if it does not exist. */
  readonly outDir: string;
  readonly variant: Variant;
  /** Image models: the normalisation, which the graph applies to decoded pixels. */
  readonly pixels?: PixelInput | undefined;
  /** int8: path of ranges.json, and the model's version, which must match. */
  readonly ranges?: { readonly file: string; readonly version: string } | undefined;
}

/** graph.json: what a runtime needs to know of a compiled model. */
export interface CompiledGraph {
  readonly variant: Variant;
  readonly input: GraphInput;
  readonly weights: readonly WeightInput[];
  /** Absent for networks without class activation maps. */
  readonly maps?: ActivationMaps;
}

/** Reads a layers model and optimises it. */
export const readProgram = async (modelJson: string): Promise<Program> =>
  fuse(lowerLayers(await readLayersModel(modelJson)));

/**
 * Turns a tfjs layers model into an optimised TensorFlow SavedModel: saved_model.pb, weights.bin and graph.json
 * (CompiledGraph).
 *
 * @returns names of the files in outDir
 * @throws AppError INVALID_MODEL with the layer or setting that is not supported, or the fault of ranges.json
 */
export async function compileLayersModel(options: CompileOptions): Promise<string[]> {
  const { variant, pixels, ranges, outDir } = options;
  const program = await readProgram(options.modelJson);
  const rangeOf =
    variant === 'int8' && ranges
      ? lookUp(await readRanges(ranges.file, ranges.version), ranges.file)
      : undefined;
  const emitted = emit(program, { variant, pixels, ...(rangeOf ? { rangeOf } : {}) });
  const { input, maps, weightInputs } = emitted;
  const graph: CompiledGraph = { variant, input, weights: weightInputs, ...(maps ? { maps } : {}) };
  const files: Record<string, string | Uint8Array> = {
    'saved_model.pb': emitted.savedModel,
    'weights.bin': emitted.weights,
    'graph.json': JSON.stringify(graph),
  };
  await mkdir(outDir, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(outDir, name), content);
  return Object.keys(files);
}
