import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import type { Config } from '../config/config.ts';
import type { Classifier } from '../domain/classifier.ts';
import { AppError } from '../domain/errors.ts';
import type { TabularModel } from '../domain/tabular.ts';
import { NO_TRACING } from '../telemetry/tracing.ts';
import type { EngineInput } from './engines/engine.ts';
import { createEngine } from './engines/select.ts';
import { loadHooks } from './hooks.ts';
import { type ClassifierOptions, createClassifier } from './image/classifier.ts';
import { loadLabels } from './labels.ts';
import { ensureSource, type OpenBucket } from './model-source.ts';
import { createTabularModel } from './tabular/tabular.ts';

/** Options that are not settings: fixed batches for the worker, listeners for metrics. */
export interface ModelsOptions extends Pick<ClassifierOptions, 'fixedBatch' | 'tracing' | 'decodeMemory'> {
  /** Called after each batch of images, for metrics. */
  readonly onBatch?: (model: string, size: number) => void;
  /** Opens the bucket of a model whose files are at s3://. */
  readonly openBucket?: OpenBucket;
}

/** A loaded model; `waiting` counts the images or requests in its queue. */
export type LoadedModel =
  | { readonly kind: 'image'; readonly model: Classifier & { readonly waiting: number } }
  | { readonly kind: 'tabular'; readonly model: TabularModel & { readonly waiting: number } };

/**
 * Loads the model of one folder: manifest, files, hooks, labels, engine, in this order.
 *
 * @param name that the manifest must have
 * @throws AppError INVALID_MODEL or MODEL_NOT_FOUND
 */
export async function loadModel(
  name: string,
  folder: string,
  config: Config,
  logger: Logger,
  options: ModelsOptions,
): Promise<LoadedModel> {
  const { openBucket, onBatch, ...classifierOptions } = options;
  const manifest = await readManifest(folder);
  if (manifest.name !== name) {
    const message = `${join(folder, 'manifest.json')}: /name is ${JSON.stringify(manifest.name)}, but its folder is ${JSON.stringify(name)}`;
    throw new AppError('INVALID_MODEL', message);
  }
  const source = await ensureSource(manifest, folder, config.cacheDir, openBucket);
  const hooks = await loadHooks(folder, manifest.hooks);
  const { output } = manifest;
  const labels = 'labels' in output ? await loadLabels(output, source) : [];
  const folders = { ...modelFolders(config.cacheDir, manifest), source };
  const started = performance.now();
  const startEngine = async <Input extends EngineInput>() => {
    const engine = await createEngine<Input>({ config, manifest, folders, logger });
    const ms = Math.round(performance.now() - started);
    logger.info({ model: name, ...engine.status, ms }, 'model ready');
    return engine;
  };
  if (manifest.task !== 'image-classification') {
    const { MAX_ROWS: maxRows, MAX_QUEUE: maxQueue } = config;
    const { tracing = NO_TRACING } = options;
    const engine = await startEngine<Float32Array<ArrayBuffer>>();
    const model = createTabularModel({ manifest, labels, engine, hooks, maxRows, maxQueue, tracing });
    return { kind: 'tabular', model };
  }
  const model = createClassifier({
    manifest,
    labels,
    engine: await startEngine<Uint8Array<ArrayBuffer>>(),
    hooks,
    maxPixels: config.MAX_IMAGE_PIXELS,
    maxBatch: config.MAX_BATCH,
    maxBatchDelayMs: config.MAX_BATCH_DELAY_MS,
    maxQueue: config.MAX_QUEUE,
    decoders: config.cpus,
    ...(onBatch ? { onBatch: (size) => onBatch(name, size) } : {}),
    ...classifierOptions,
  });
  return { kind: 'image', model };
}
