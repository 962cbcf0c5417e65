import { readFileSync } from 'node:fs';
import type { ImageManifest } from '../../../models/manifest.ts';
import type { Models } from '../../src/domain/classifier.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { Engine } from '../../src/inference/engines/engine.ts';
import { createClassifier } from '../../src/inference/image/classifier.ts';
import { fromRoot } from './root.ts';

/** The real classifier (decoding, batching, queue, top-k) on an engine that a test can pause. */
export interface GatedModels extends Models {
  /** Images that reached the engine. */
  readonly inferred: number;
  /** Explanations that reached the engine. */
  readonly explained: number;
  /** Batches and explanations wait in the engine until `release`. */
  hold(): void;
  release(): void;
  /** Every batch fails with this error; undefined restores success. */
  failWith(error: Error | undefined): void;
  ready: boolean;
  readonly queueDepth: number;
}

/** For states that a test cannot bring a real engine into: stuck, broken, not loaded. */
export function createGatedModels(
  options: { readonly maxQueue?: number; readonly maxPixels?: number; readonly degraded?: string } = {},
): GatedModels {
  const manifest = JSON.parse(
    readFileSync(fromRoot('models/resnet50/manifest.json'), 'utf8'),
  ) as ImageManifest;
  const { classes } = manifest.output;
  let gate: Promise<void> = Promise.resolve();
  let open = () => {};
  let failure: Error | undefined;
  let inferred = 0;
  let explained = 0;
  let isReady = true;
  const engine: Engine<Uint8Array<ArrayBuffer>> = {
    status: {
      engine: 'wasm',
      precision: 'float32',
      ...(options.degraded === undefined ? {} : { degraded: options.degraded }),
    },
    ready: true,
    allocate: (length) => new Uint8Array(length),
    async infer(input, size) {
      inferred += size;
      await gate;
      if (failure) throw failure;
      // Not a network, but its output depends on the pixels: the brightest place decides.
      const rows = new Float32Array(size * classes);
      for (let image = 0; image < size; image++) {
        const pixels = input.subarray((image * input.length) / size, ((image + 1) * input.length) / size);
        const sum = pixels.reduce((total, value) => total + value, 0);
        rows[image * classes + (Math.abs(Math.round(sum)) % classes)] = 1;
      }
      return rows;
    },
    async explain(_input, index = 0) {
      explained++;
      await gate;
      return { index, probability: 1, height: 1, width: 1, values: Float32Array.of(1) };
    },
    close: async () => {},
  };
  const classifier = createClassifier({
    manifest,
    labels: Array.from({ length: classes }, (_, index) => `class ${index}`),
    engine,
    maxPixels: options.maxPixels ?? 50_000_000,
    maxBatch: 1,
    maxBatchDelayMs: 0,
    maxQueue: options.maxQueue ?? 64,
    decoders: 2,
  });
  return {
    defaultName: manifest.name,
    get ready() {
      return isReady;
    },
    set ready(value) {
      isReady = value;
    },
    get inferred() {
      return inferred;
    },
    get explained() {
      return explained;
    },
    get queueDepth() {
      return classifier.waiting;
    },
    get(name = manifest.name) {
      if (name !== manifest.name) {
        throw new AppError(
          'MODEL_NOT_FOUND',
          `unknown model ${JSON.stringify(name)}; available: ${manifest.name}`,
        );
      }
      if (!isReady) throw new AppError('MODEL_NOT_READY', 'the model is still loading');
      return classifier;
    },
    list: () => [classifier.info],
    hold() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    release: () => open(),
    failWith: (error) => {
      failure = error;
    },
    close: () => classifier.close(),
  };
}
