import type { ImageInput } from '../../../../../models/manifest.ts';
import type { ActivationMap, EngineInput, EngineStatus } from '../engine.ts';

/** One column of a table. A category reaches the runtime as its position in `categories`. */
export interface Column {
  readonly name: string;
  readonly categories?: readonly string[];
}

/** What an engine's thread needs to load a model; plain data, because it is posted to the thread. */
export interface RuntimeSpec {
  readonly engine: EngineStatus['engine'];
  /** `compiled` is a SavedModel written by models/compiler; the other formats are as their exporters wrote them. */
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
  /** Name of the output tensor, if the model has several. */
  readonly output?: string;
}

/** A model loaded inside an engine's thread. A call may start before an earlier one has ended. */
export interface Runtime<Input extends EngineInput = EngineInput> {
  /** See Engine.infer; the input is the caller's again when the promise settles. */
  infer(input: Input, size: number): Promise<Float32Array>;
  /** See Engine.explain; absent if the runtime has no activation maps. */
  explain?(input: Input, index?: number): Promise<ActivationMap>;
}

export type FloatRuntime = Runtime<Float32Array<ArrayBuffer>>;

/** Loads a model as its exporter wrote it. Its input is normalised float32, shape [size, ...inputShape]. */
export type LoadRuntime = (spec: RuntimeSpec) => Promise<FloatRuntime>;
