import { performance } from 'node:perf_hooks';
import pLimit from 'p-limit';
import type { ImageManifest } from '../../../../models/manifest.ts';
import type { ByteBudget } from '../../domain/byte-budget.ts';
import type { Classifier, ModelInfo } from '../../domain/classifier.ts';
import { AppError } from '../../domain/errors.ts';
import { type Prediction, roundProbability, topK } from '../../domain/prediction.ts';
import { NO_TRACING, type Tracing } from '../../telemetry/tracing.ts';
import type { ActivationMap, Engine } from '../engines/engine.ts';
import type { Hooks } from '../hooks.ts';
import { createAdmission } from '../queueing/admission.ts';
import { createBatcher } from '../queueing/batcher.ts';
import { createTurns } from '../queueing/turns.ts';
import { type Decoded, decode } from './decode.ts';
import { softmax } from './softmax.ts';

export interface ClassifierOptions {
  readonly manifest: ImageManifest;
  readonly labels: readonly string[];
  readonly engine: Engine<Uint8Array<ArrayBuffer>>;
  /** Largest image, width x height. */
  readonly maxPixels: number;
  /** What the decoders of all models may hold in memory together; unbounded when absent. */
  readonly decodeMemory?: ByteBudget;
  readonly maxBatch: number;
  readonly maxBatchDelayMs: number;
  /** Most images that may wait for decoding or inference at a time. */
  readonly maxQueue: number;
  /** Images decoded side by side. */
  readonly decoders: number;
  /** See BatcherOptions.fixedSize: the batch worker's choice. */
  readonly fixedBatch?: boolean;
  readonly onBatch?: (size: number, milliseconds: number) => void;
  /** Told of the stages of each image; off when absent. */
  readonly tracing?: Tracing;
  /** The model's own code around it, if it has any. */
  readonly hooks?: Hooks;
}

/** bytes -> decode -> preprocess -> infer -> top-k, with a bounded queue in front. */
export function createClassifier(options: ClassifierOptions): Classifier & { readonly waiting: number } {
  const { manifest, labels, engine, hooks, tracing = NO_TRACING } = options;
  const { input, output } = manifest;
  const channels = input.channels === 'GRAY' ? 1 : 3;
  const imageLength = input.height * input.width * channels;
  const limitDecoding = pLimit(options.decoders);
  // The engine's thread has no bound of its own, and an explanation occupies it for longer than a batch.
  const explanations = createTurns();
  const decodeLimits = {
    maxPixels: options.maxPixels,
    ...(options.decodeMemory ? { memory: options.decodeMemory } : {}),
  };
  let decoding = 0;

  const batcher = createBatcher({
    engine,
    maxBatch: options.maxBatch,
    maxDelayMs: options.maxBatchDelayMs,
    imageLength,
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
        return decode(hooks ? await hooks.preprocess(image) : image, input, decodeLimits);
      });
      decoding--;
      return decoded;
    } catch (error) {
      decoding--;
      // What waits for a fuller batch must not wait for an image that turned out unreadable.
      batcher.reconsider();
      throw error;
    }
  }

  // Bounded before anything is decoded.
  const admission = createAdmission({
    maxQueue: options.maxQueue,
    waiting: () => decoding + batcher.waiting + explanations.waiting,
    what: 'images',
  });

  return {
    get info() {
      return describe(manifest, labels, engine);
    },
    get waiting() {
      return admission.waiting;
    },
    async classify(image, { topK: k, signal }) {
      return admission.admit(async () => {
        const started = performance.now();
        const { pixels } = await tracing.span('decode', {}, () => decodeInTurn(image, signal));
        const decodeMs = performance.now() - started;
        const row = await batcher.submit(pixels, signal);
        const probabilities = output.activation === 'logits' ? softmax(row.output) : row.output;
        const predictions = topK(probabilities, labels, k);
        return {
          model: manifest.name,
          version: manifest.version,
          predictions: hooks ? await hooks.postprocess(predictions) : predictions,
          timing: {
            decodeMs: round(decodeMs),
            queueMs: round(row.queueMs),
            inferenceMs: round(row.inferenceMs),
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
        const map = await explanations.take(() => engine.explain(new Uint8Array(pixels), index), signal);
        const { name: model, version } = manifest;
        return { model, version, prediction: predictionOf(map, labels), grid: rowsOf(map), region, picture };
      });
    },
    async close() {
      await admission.close();
      await engine.close();
    },
  };
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError('REQUEST_CANCELLED', 'nobody waits for the answer any more');
}

function describe(
  manifest: ImageManifest,
  labels: readonly string[],
  engine: Pick<Engine, 'status' | 'ready'>,
): ModelInfo {
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
    ready: engine.ready,
    input: { height, width, channels },
    labels,
    metrics,
  };
}

const predictionOf = ({ index, probability }: ActivationMap, labels: readonly string[]): Prediction => ({
  label: labels[index] ?? `class_${index}`,
  index,
  probability: roundProbability(probability),
});

/** The map row by row, with as many digits as mean something. */
function rowsOf({ height, width, values }: ActivationMap): number[][] {
  const row = (y: number) =>
    Array.from(values.subarray(y * width, (y + 1) * width), (value) => Number(value.toFixed(3)));
  return Array.from({ length: height }, (_, y) => row(y));
}

/** Tenths of a millisecond are as much as a clock under load can tell. */
const round = (milliseconds: number) => Math.round(milliseconds * 10) / 10;
