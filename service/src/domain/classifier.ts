import type { CommonModelInfo } from './model-info.ts';
import type { Classification, Prediction } from './prediction.ts';
import type { TabularModel, TabularModelInfo } from './tabular.ts';
import type { Task } from './task.ts';

interface ClassifyOptions {
  /** Number of classes to return, 1-100. */
  readonly topK: number;
  /** Aborts if the client disconnects: the image is dropped before inference. */
  readonly signal?: AbortSignal;
}

interface ExplainOptions {
  /** Class to explain, as its position in the model's output; the most probable one if absent. */
  readonly index?: number;
  readonly signal?: AbortSignal;
}

/** The class activation map of one image. */
export interface Explanation {
  readonly model: string;
  readonly version: string;
  readonly prediction: Prediction;
  /** Rows from top to bottom of the network's input; each value is the share of that place in the class's logit (may be negative). */
  readonly grid: readonly (readonly number[])[];
  /** The part of the upright picture that the grid covers, in fractions of its width and height: a centre crop. */
  readonly region: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  /** Width and height of the upright picture, in pixels. */
  readonly picture: { readonly width: number; readonly height: number };
}

/** A loaded image model, as GET /models shows it. */
export interface ModelInfo extends CommonModelInfo {
  readonly task: 'image-classification';
  /** Height and width in pixels, and channels, of the network's input. */
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  /** Accuracy that the publisher of the weights reports: shares of 1. */
  readonly published?: { readonly top1: number; readonly top5: number; readonly dataset: string };
}

/**
 * Classifies images, for POST /predict, the batch worker and the CLI alike.
 * Throws AppError: UNREADABLE_IMAGE, UNSUPPORTED_MEDIA_TYPE, IMAGE_TOO_LARGE (the image's fault), OVERLOADED, MODEL_NOT_READY,
 * ENGINE_FAILED (the service's), REQUEST_CANCELLED (the signal's).
 */
export interface Classifier {
  readonly info: ModelInfo;
  /** @param image encoded bytes: JPEG, PNG, WebP, AVIF, TIFF or GIF */
  classify(image: Uint8Array, options: ClassifyOptions): Promise<Classification>;
  /**
   * Computes a class activation map (Zhou et al., 2016), which is exact for networks that end in global average pooling
   * and one dense layer. Throws as classify does, and INVALID_REQUEST for other networks.
   */
  explain(image: Uint8Array, options: ExplainOptions): Promise<Explanation>;
  /** Stops accepting images, waits for in-flight ones, then frees the engine. */
  close(): Promise<void>;
}

/** The loaded models by name. */
export interface Models {
  /** The model for requests that name none. With STRICT_MODELS=off it may have failed to load; then `get` throws. */
  readonly defaultName: string;
  /** The classifier called `name`, or the default one. Throws AppError MODEL_NOT_FOUND with the known names, and INVALID_REQUEST if the model takes rows. */
  get(name?: string): Classifier;
  /** As `get`, for tabular models. Absent if there are none. */
  tabular?(name?: string): TabularModel;
  /** The task of the model called `name`, or of the default one; throws as `get` does. Absent if all take images. */
  taskOf?(name?: string): Task;
  list(): readonly (ModelInfo | TabularModelInfo)[];
  /** True once every model is loaded and warmed up; false while an engine is being replaced. */
  readonly ready: boolean;
  /** Resolves once all models are loaded; rejects if one cannot be loaded, and then `ready` stays false. */
  readonly loaded?: Promise<void>;
  /** Images that wait for inference, over all models. */
  readonly queueDepth?: number;
  /** Images that wait for inference, by model. */
  readonly queueDepths?: Readonly<Record<string, number>>;
  close(): Promise<void>;
}
