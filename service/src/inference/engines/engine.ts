/** What is running a model: the names are those of the configuration and of GET /models. */
export interface EngineStatus {
  readonly engine: 'tensorflow' | 'wasm' | 'onnx';
  readonly precision: 'float32' | 'bfloat16';
  /**
   * How the weights are held. `inputs`: passed to every run, ready within half a second. `constants`: compiled into
   * the graph, slower to warm up and faster afterwards. Engines without the distinction say `constants`.
   */
  readonly stage: 'inputs' | 'constants';
}

/** The evidence for one class, place by place; `values` has shape [height, width]. */
export interface ActivationMap {
  readonly index: number;
  readonly probability: number;
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/**
 * A loaded, warmed-up model that turns batches of preprocessed inputs into rows of outputs, off the main thread.
 * The input goes to the engine with the call; the output is the caller's.
 */
export interface Engine {
  /** May change over time (a swap of stages, a replaced thread): read it, don't keep it. */
  readonly status: EngineStatus;
  /**
   * Memory for the input of a call: what an earlier call gave up, with old numbers in it, or new. Megabytes of fresh
   * memory for each batch would cost more than filling them.
   *
   * @param length float32 numbers
   */
  allocate(length: number): Float32Array;
  /**
   * @param input `size` images one after another, shape [size, height, width, channels] in the manifest's layout, float32
   * @param size how many images `input` holds
   * @returns float32 probabilities, shape [size, classes]
   * @throws AppError ENGINE_FAILED when the engine's thread died; a later call finds a new one
   */
  infer(input: Float32Array, size: number): Promise<Float32Array>;
  /**
   * The class activation map of one image, for the class at `index` or, without it, the likeliest.
   *
   * @throws AppError INVALID_REQUEST when the engine or the model has none
   */
  explain(input: Float32Array, index?: number): Promise<ActivationMap>;
  /** Waits for what is running, then frees threads and memory. */
  close(): Promise<void>;
}
