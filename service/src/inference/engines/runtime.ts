import type { ActivationMap } from './engine.ts';

/**
 * What an engine's thread needs to know to open a model; plain data, as it crosses into the thread.
 * `folder` holds what `format` says: a compiled SavedModel (tensorflow) or a tfjs layers model's model.json (wasm).
 */
export interface RuntimeSpec {
  readonly engine: 'tensorflow' | 'wasm';
  readonly stage: 'inputs' | 'constants';
  /** Path of the SavedModel's folder, or of the model.json. */
  readonly path: string;
  /** [height, width, channels] of one image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Batch sizes to run once before the model counts as ready. */
  readonly warmUp: readonly number[];
}

/** A model opened inside an engine's thread. Calls come one at a time. */
export interface Runtime {
  /** input: float32 [size, height, width, channels]; answers float32 [size, classes]. */
  infer(input: Float32Array, size: number): Promise<Float32Array>;
  /** See Engine.explain; absent where the runtime cannot. */
  explain?(input: Float32Array, index?: number): Promise<ActivationMap>;
}

/** Each engine file exports one of these; it is the only importer of its runtime library. */
export type OpenRuntime = (spec: RuntimeSpec) => Promise<Runtime>;
