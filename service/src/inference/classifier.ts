import { performance } from 'node:perf_hooks';
import pLimit from 'p-limit';
import type { Manifest } from '../../../models/manifest.ts';
import type { Classifier, ModelInfo } from '../domain/classifier.ts';
import { AppError } from '../domain/errors.ts';
import { topK } from '../domain/prediction.ts';
import { createBatcher } from './batcher.ts';
import { decode } from './decode.ts';
import type { Engine } from './engines/engine.ts';
import { createPreprocessor } from './preprocess.ts';

export interface ClassifierOptions {
  readonly manifest: Manifest;
  readonly labels: readonly string[];
  readonly engine: Engine;
  /** Largest image, width x height. */
  readonly maxPixels: number;
  readonly maxBatch: number;
  readonly maxBatchDelayMs: number;
  /** Most images that may wait for decoding or inference at a time. */
  readonly maxQueue: number;
  /** Images decoded side by side. */
  readonly decoders: number;
  /** See BatcherOptions.fixedSize: the batch worker's choice. */
  readonly fixedBatch?: boolean;
  readonly onBatch?: (size: number, milliseconds: number) => void;
}

/** bytes -> decode -> preprocess -> infer -> top-k, with a bounded queue in front. */
export function createClassifier(options: ClassifierOptions): Classifier & { readonly waiting: number } {
  const { manifest, labels, engine, maxQueue } = options;
  const { input, output } = manifest;
  const channels = input.channels === 'GRAY' ? 1 : 3;
  const limitDecoding = pLimit(options.decoders);
  let decoding = 0;
  let accepted = 0;
  let closed = false;

  const batcher = createBatcher({
    engine,
    maxBatch: options.maxBatch,
    maxDelayMs: options.maxBatchDelayMs,
    imageLength: input.height * input.width * channels,
    classes: output.classes,
    write: createPreprocessor(input),
    expected: () => decoding,
    fixedSize: options.fixedBatch ?? false,
    ...(options.onBatch ? { onBatch: options.onBatch } : {}),
  });

  async function decodeInTurn(image: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
    decoding++;
    try {
      const pixels = await limitDecoding(() => {
        throwIfCancelled(signal);
        return decode(image, input, { maxPixels: options.maxPixels });
      });
      decoding--;
      return pixels;
    } catch (error) {
      decoding--;
      // What waits for a fuller batch must not wait for an image that turned out unreadable.
      batcher.reconsider();
      throw error;
    }
  }

  return {
    get info() {
      return describe(manifest, labels, engine);
    },
    get waiting() {
      return decoding + batcher.waiting;
    },
    async classify(image, { topK: k, signal }) {
      if (closed)
        throw new AppError('MODEL_NOT_READY', 'the service is shutting down; send the request again');
      if (decoding + batcher.waiting >= maxQueue) {
        throw new AppError('OVERLOADED', `${maxQueue} images are waiting already; try again shortly`, {
          retryAfterSeconds: 1,
        });
      }
      accepted++;
      try {
        const started = performance.now();
        const pixels = await decodeInTurn(image, signal);
        const decodeMs = performance.now() - started;
        const row = await batcher.submit(pixels, signal);
        return {
          model: manifest.name,
          version: manifest.version,
          predictions: topK(row.output, labels, k),
          timing: {
            decodeMs: round(decodeMs),
            queueMs: round(row.queueMs),
            inferenceMs: round(row.inferenceMs),
          },
        };
      } finally {
        accepted--;
      }
    },
    async close() {
      closed = true;
      while (accepted > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await engine.close();
    },
  };
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError('REQUEST_CANCELLED', 'nobody waits for the answer any more');
}

function describe(manifest: Manifest, labels: readonly string[], engine: Engine): ModelInfo {
  const { name, version, task, description, licence, input, metrics } = manifest;
  const { height, width } = input;
  const channels = input.channels === 'GRAY' ? 1 : 3;
  return {
    name,
    version,
    task,
    description,
    licence,
    ...engine.status,
    ready: true,
    input: { height, width, channels },
    labels,
    metrics,
  };
}

/** Tenths of a millisecond are as much as a clock under load can tell. */
const round = (milliseconds: number) => Math.round(milliseconds * 10) / 10;
