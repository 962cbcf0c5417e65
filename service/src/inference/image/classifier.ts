import { performance } from 'node:perf_hooks';
import pLimit from 'p-limit';
import { channelCount, type ImageManifest, imageLength } from '../../../../models/manifest.ts';
import type { ByteBudget } from '../../domain/byte-budget.ts';
import type { Classifier } from '../../domain/classifier.ts';
import { AppError } from '../../domain/errors.ts';
import { roundMs, toPrediction, topK } from '../../domain/prediction.ts';
import { NO_TRACING, type Tracing } from '../../telemetry/tracing.ts';
import type { ActivationMap, Engine } from '../engines/engine.ts';
import type { Hooks } from '../hooks.ts';
import { commonInfo } from '../model-info.ts';
import { createAdmission } from '../queueing/admission.ts';
import { createBatcher } from '../queueing/batcher.ts';
import { throwIfCancelled } from '../queueing/cancellation.ts';
import { createMutex } from '../queueing/mutex.ts';
import { type Decoded, decode } from './decode.ts';
import { softmax } from './softmax.ts';

export interface ClassifierOptions {
  readonly manifest: ImageManifest;
  readonly labels: readonly string[];
  readonly engine: Engine<Uint8Array<ArrayBuffer>>;
  /** Largest width x height of an image, in pixels. */
  readonly maxPixels: number;
  /** Shared by the decoders of all models; unbounded if absent. */
  readonly decodeMemory?: ByteBudget;
  readonly maxBatch: number;
  readonly maxBatchDelayMs: number;
  /** Largest number of images that wait for decoding or inference. */
  readonly maxQueue: number;
  /** Images decoded in parallel. */
  readonly decoders: number;
  /** See BatcherOptions.fixedSize; the batch worker sets it. */
  readonly fixedBatch?: boolean;
  readonly onBatch?: (size: number, milliseconds: number) => void;
  /** Records the stages of each image; off if absent. */
  readonly tracing?: Tracing;
  /** The model's own code, if it has any. */
  readonly hooks?: Hooks;
}

/** bytes -> decode -> preprocess -> infer -> top-k, with a bounded queue in front. */
export function createClassifier(options: ClassifierOptions): Classifier & { readonly waiting: number } {
  const { manifest, labels, engine, hooks, tracing = NO_TRACING } = options;
  const { input, output } = manifest;
  const limitDecoding = pLimit(options.decoders);
  // The engine's thread does not bound its queue, and an explanation takes longer than a batch.
  const explanations = createMutex();
  const decodeLimits = {
    maxPixels: options.maxPixels,
    ...(options.decodeMemory ? { memory: options.decodeMemory } : {}),
  };
  let decoding = 0;

  const batcher = createBatcher({
    engine,
    maxBatch: options.maxBatch,
    maxDelayMs: options.maxBatchDelayMs,
    imageLength: imageLength(input),
    classes: output.classes,
    expected: () => decoding,
    fixedSize: options.fixedBatch ?? false,
    tracing,
    model: manifest.name,
    ...(options.onBatch ? { onBatch: options.onBatch } : {}),
  });

  async function decodeInTurn(image: Uint8Array, signal: AbortSignal | undefined): Promise<Decoded> {
    decoding++;
    try {
      const decoded = await limitDecoding(async () => {
        throwIfCancelled(signal);
        // `decode` reports an empty image; a hook need not handle one.
        const bytes = hooks && image.length > 0 ? await hooks.preprocess(image) : image;
        return decode(bytes, input, decodeLimits);
      });
      decoding--;
      return decoded;
    } catch (error) {
      decoding--;
      // Images that wait for a fuller batch must not wait for one that cannot be decoded.
      batcher.reconsider();
      throw error;
    }
  }

  // The bound applies before an image is decoded.
  const admission = createAdmission({
    maxQueue: options.maxQueue,
    waiting: () => decoding + batcher.waiting + explanations.waiting,
    what: 'images',
  });

  return {
    get info() {
      const { height, width } = input;
      const shape = { height, width, channels: channelCount(input) };
      const published = manifest.published ? { published: manifest.published } : {};
      return { ...commonInfo(manifest, labels, engine), task: manifest.task, input: shape, ...published };
    },
    get waiting() {
      return admission.waiting;
    },
    async classify(image, { topK: k, signal }) {
      return admission.admit(async () => {
        const started = performance.now();
        const { pixels } = await tracing.span('decode', {}, () => decodeInTurn(image, signal));
        const decodeMs = performance.now() - started;
        const row = await batcher.enqueue(pixels, signal);
        const probabilities = output.activation === 'logits' ? softmax(row.output) : row.output;
        const predictions = topK(probabilities, labels, k);
        return {
          model: manifest.name,
          version: manifest.version,
          predictions: hooks ? await hooks.postprocess(predictions) : predictions,
          timing: {
            decodeMs: roundMs(decodeMs),
            queueMs: roundMs(row.queueMs),
            inferenceMs: roundMs(row.inferenceMs),
          },
        };
      });
    },
    async explain(image, { index, signal }) {
      if (index !== undefined && index >= output.classes) {
        throw new AppError('INVALID_REQUEST', `index must be below ${output.classes}, the number of classes`);
      }
      return admission.admit(async () => {
        const { pixels, picture, region } = await decodeInTurn(image, signal);
        // A copy, because the engine takes the buffer, and sharp's may be larger than the pixels.
        const map = await explanations.runExclusive(
          () => engine.explain(new Uint8Array(pixels), index),
          signal,
        );
        const prediction = toPrediction(map.index, map.probability, labels);
        return {
          model: manifest.name,
          version: manifest.version,
          prediction,
          grid: gridOf(map),
          region,
          picture,
        };
      });
    },
    async close() {
      await admission.close();
      await engine.close();
    },
  };
}

/** The map row by row, with three decimals. */
function gridOf({ height, width, values }: ActivationMap): number[][] {
  const row = (y: number) =>
    Array.from(values.subarray(y * width, (y + 1) * width), (value) => Number(value.toFixed(3)));
  return Array.from({ length: height }, (_, y) => row(y));
}
