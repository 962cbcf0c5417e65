import type { Classification } from './prediction.ts';

/** How one image is to be classified. */
export interface ClassifyOptions {
  /** How many classes to return, 1-100. */
  readonly topK: number;
  /** Aborted when nobody waits for the answer any more: the image is dropped before inference. */
  readonly signal?: AbortSignal;
}

/** What GET /models says of a loaded model. */
export interface ModelInfo {
  readonly name: string;
  readonly version: string;
  readonly task: 'image-classification';
  readonly description: string;
  readonly licence: string;
  readonly engine: string;
  readonly precision: string;
  readonly stage: string;
  readonly ready: boolean;
  /** Height and width in pixels, and channels, of what the network sees. */
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  readonly labels: readonly string[];
  readonly metrics: Readonly<Record<string, number | string>>;
}

/**
 * The one way to classify an image: POST /predict, the batch worker and the CLI all call this.
 * Throws AppError: UNREADABLE_IMAGE, UNSUPPORTED_MEDIA_TYPE, IMAGE_TOO_LARGE (the image's fault), OVERLOADED, MODEL_NOT_READY,
 * ENGINE_FAILED (ours), REQUEST_CANCELLED (the signal's).
 */
export interface Classifier {
  readonly info: ModelInfo;
  /** Encoded image bytes (JPEG, PNG, WebP, AVIF, TIFF, GIF) in, the top-k classes out. */
  classify(image: Uint8Array, options: ClassifyOptions): Promise<Classification>;
  /** Finishes what was accepted, then frees the engine. */
  close(): Promise<void>;
}

/** The loaded models by name. */
export interface Models {
  /** The classifier called `name`, or the default one. Throws AppError MODEL_NOT_FOUND, naming those there are. */
  get(name?: string): Classifier;
  list(): readonly ModelInfo[];
  /** True once every model is loaded and warmed up. */
  readonly ready: boolean;
  /** Resolves when `ready` turns true; rejects when a model cannot be loaded, and then it never will. */
  readonly loaded?: Promise<void>;
  /** Images that wait for inference now, over all models. */
  readonly queueDepth?: number;
  close(): Promise<void>;
}
