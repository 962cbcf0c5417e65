import type { Precision } from './precision.ts';
import type { Classification, Prediction } from './prediction.ts';
import type { TabularModel, TabularModelInfo } from './tabular.ts';
import type { Task } from './task.ts';

/** How one image is to be classified. */
interface ClassifyOptions {
  /** How many classes to return, 1-100. */
  readonly topK: number;
  /** Aborted when nobody waits for the answer any more: the image is dropped before inference. */
  readonly signal?: AbortSignal;
}

/** Which class is to be explained. */
interface ExplainOptions {
  /** Position in the model's output; without it the likeliest class. */
  readonly index?: number;
  readonly signal?: AbortSignal;
}

/** The evidence for one class, place by place. */
export interface Explanation {
  readonly model: string;
  readonly version: string;
  readonly prediction: Prediction;
  /** Rows from top to bottom of what the network saw; each value is that place's share of the class's logit (may be negative). */
  readonly grid: readonly (readonly number[])[];
  /** Where in the upright picture the grid lies, in fractions of its width and height: the network sees a centre crop. */
  readonly region: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  /** Width and height of the upright picture, in pixels. */
  readonly picture: { readonly width: number; readonly height: number };
}

/** What GET /models says of a loaded model. */
export interface ModelInfo {
  readonly name: string;
  readonly version: string;
  readonly task: 'image-classification';
  readonly description: string;
  readonly licence: string;
  readonly engine: string;
  readonly precision: Precision;
  /** See EngineStatus.degraded. */
  readonly degraded?: string;
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
  /**
   * Where in the image the evidence for a class lies: its class activation map (Zhou et al., 2016), exact for networks
   * that end in global average pooling and one dense layer. Throws as classify does, and INVALID_REQUEST for a model of another shape.
   */
  explain(image: Uint8Array, options: ExplainOptions): Promise<Explanation>;
  /** Finishes what was accepted, then frees the engine. */
  close(): Promise<void>;
}

/** The loaded models by name. */
export interface Models {
  /** The model that answers requests that name none. With STRICT_MODELS=off it may have been refused, and `get` says so. */
  readonly defaultName: string;
  /** The classifier called `name`, or the default one. Throws AppError MODEL_NOT_FOUND, naming those there are, and INVALID_REQUEST when the model takes no images. */
  get(name?: string): Classifier;
  /** As `get`, for models that take rows of a table. Absent where there are none. */
  tabular?(name?: string): TabularModel;
  /** What the model called `name` (or the default one) takes; throws as `get` does. Absent where all take images. */
  taskOf?(name?: string): Task;
  list(): readonly (ModelInfo | TabularModelInfo)[];
  /** True once every model is loaded and warmed up; false again while an engine is being replaced. */
  readonly ready: boolean;
  /** Resolves when `ready` turns true; rejects when a model cannot be loaded, and then it never will. */
  readonly loaded?: Promise<void>;
  /** Images that wait for inference now, over all models. */
  readonly queueDepth?: number;
  /** The same by model. */
  readonly queueDepths?: Readonly<Record<string, number>>;
  close(): Promise<void>;
}
