import type { Precision } from '../../domain/precision.ts';

/** The engine and precision of a model, with the names of the configuration and of GET /models. */
export interface EngineStatus {
  readonly engine: 'tensorflow' | 'wasm' | 'onnx';
  readonly precision: Precision;
  /** Why a slower engine runs the model, and what that costs; absent if the intended engine runs. */
  readonly degraded?: string;
}

/** The class activation map of one image; `values` has shape [height, width], float32. */
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
 * Ownership: `infer` and `explain` transfer the input's buffer to the engine; the caller owns the output.
 */
export interface Engine<Input extends EngineInput = EngineInput> {
  readonly status: EngineStatus;
  /** False while a thread that died or hung is being replaced. */
  readonly ready: boolean;
  /**
   * Memory for the input of a call: new, or that of an earlier call with its old content.
   *
   * @param length in numbers, not bytes
   */
  allocate(length: number): Input;
  /**
   * @param input `size` inputs, one after the other: uint8 pixels, shape [size, height, width, channels] in RGB or grey,
   *   or float32 rows, shape [size, columns]
   * @returns float32 outputs, shape [size, classes]
   * @throws AppError ENGINE_FAILED if the engine's thread dies; later calls use its replacement
   */
  infer(input: Input, size: number): Promise<Float32Array>;
  /**
   * The class activation map of one image.
   *
   * @param index the class; the most probable one if absent
   * @throws AppError INVALID_REQUEST if the engine or the model has no activation maps
   */
  explain(input: Input, index?: number): Promise<ActivationMap>;
  /** Waits for running calls, then frees threads and memory. */
  close(): Promise<void>;
}
