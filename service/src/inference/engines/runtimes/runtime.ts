import type { ImageInput } from '../../../../../models/manifest.ts';
import type { ActivationMap, EngineInput, EngineStatus } from '../engine.ts';

/** One column of a table, as far as a runtime must know it: categories reach the engine as their position in the list. */
export interface Column {
  readonly name: string;
  readonly categories?: readonly string[];
}

/** What an engine's thread needs to know to open a model; plain data, as it crosses into the thread. */
export interface RuntimeSpec {
  readonly engine: EngineStatus['engine'];
  /** `compiled` is a SavedModel that models/compiler wrote; the others are as their exporters wrote them. */
  readonly format: 'compiled' | 'saved-model' | 'tfjs-layers' | 'tfjs-graph' | 'onnx';
  /** Path of the SavedModel's folder, of the model.json, or of the .onnx file. */
  readonly path: string;
  /** Shape of one input: [height, width, channels] or [channels, height, width] of an image, [columns] of a row. */
  readonly inputShape: readonly number[];
  /** Numbers in the output for one input. */
  readonly classes: number;
  /** How pixels become the network's input; absent for rows. */
  readonly image?: ImageInput;
  /** The columns of a row; absent for images. */
  readonly columns?: readonly Column[];
  /** The tensor that is the output, if the model has several. */
  readonly output?: string;
  /** Batch sizes to run once before the model counts as ready. */
  readonly warmUp: readonly number[];
}

/** A model opened inside an engine's thread. Calls come one at a time. */
export interface Runtime<Input extends EngineInput = EngineInput> {
  /** See Engine.infer. */
  infer(input: Input, size: number): Promise<Float32Array>;
  /** See Engine.explain; absent where the runtime cannot. */
  explain?(input: Input, index?: number): Promise<ActivationMap>;
}

/** Runtimes of models as their exporters wrote them: float32 [size, ...inputShape] in, normalised. */
export type OpenRuntime = (spec: RuntimeSpec) => Promise<Runtime<Float32Array<ArrayBuffer>>>;
