import type { Precision } from '../../domain/precision.ts';

/** What runs a model: the names are those of the configuration and of GET /models. */
export interface EngineStatus {
  readonly engine: 'tensorflow' | 'wasm' | 'onnx';
  readonly precision: Precision;
  /** Why a slower engine runs than this model is meant for, and what that costs; absent when nothing is wrong. */
  readonly degraded?: string;
}

/** The evidence for one class, place by place; `values` has shape [height, width]. */
export interface ActivationMap {
  readonly index: number;
  readonly probability: number;
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/** Pixels of images (uint8, as decoded), or rows of numbers. */
export type EngineInput = Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/**
 * A loaded, warmed-up model that turns batches of inputs into rows of outputs, off the main thread.
 * The input goes to the engine with the call; the output is the caller's.
 */
export interface Engine<Input extends EngineInput = EngineInput> {
  readonly status: EngineStatus;
  /** False while a thread that died or hung is being replaced. */
  readonly ready: boolean;
  /**
   * Memory for the input of a call: that of an earlier call, with old numbers in it, or new. Megabytes of fresh
   * memory for each batch would cost more than filling them.
   *
   * @param length numbers, not bytes
   */
  allocate(length: number): Input;
  /**
   * @param input `size` inputs one after another: uint8 pixels, shape [size, height, width, channels] in RGB or grey;
   *   or float32 rows, shape [size, columns]
   * @param size number of inputs in `input`
   * @returns float32 outputs, shape [size, classes]
   * @throws AppError ENGINE_FAILED when the engine's thread died; a later call finds a new one
   */
  infer(input: Input, size: number): Promise<Float32Array>;
  /**
   * The class activation map of one image, for the class at `index` or, without it, the most probable one.
   *
   * @throws AppError INVALID_REQUEST when the engine or the model has none
   */
  explain(input: Input, index?: number): Promise<ActivationMap>;
  /** Waits for what is running, then frees threads and memory. */
  close(): Promise<void>;
}
