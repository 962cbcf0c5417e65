import { join } from 'node:path';
import type { Logger } from 'pino';
import { modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import type { Config } from '../config.ts';
import type { Classifier, Models } from '../domain/classifier.ts';
import { AppError } from '../domain/errors.ts';
import { type ClassifierOptions, createClassifier } from './classifier.ts';
import { openEngine } from './engines/select.ts';
import { readLabels } from './labels.ts';

/** What the caller may want to differ from the configuration: the worker fixes its batches, metrics listen in. */
export type ModelsOptions = Pick<ClassifierOptions, 'fixedBatch' | 'onBatch'>;

/**
 * Starts to load the models and resolves at once; `loaded` and `ready` tell when they are warm. A model that cannot be
 * loaded rejects `loaded` with AppError INVALID_MODEL or MODEL_NOT_FOUND.
 */
export async function createModels(
  config: Config,
  logger: Logger,
  options: ModelsOptions = {},
): Promise<Models> {
  const opened = new Map<string, Awaited<ReturnType<typeof openClassifier>>>();
  let ready = false;
  const loaded = openClassifier(config.MODEL, config, logger, options).then((classifier) => {
    opened.set(config.MODEL, classifier);
    ready = true;
  });
  // Callers that never look at `loaded` still see `ready` stay false.
  loaded.catch(() => undefined);

  return {
    loaded,
    get ready() {
      return ready;
    },
    get queueDepth() {
      return [...opened.values()].reduce((sum, { waiting }) => sum + waiting, 0);
    },
    get(name = config.MODEL): Classifier {
      if (name !== config.MODEL) {
        throw new AppError('MODEL_NOT_FOUND', `there is no model "${name}"; there is ${config.MODEL}`);
      }
      const classifier = opened.get(name);
      if (classifier) return classifier;
      throw new AppError('MODEL_NOT_READY', `the model ${name} is still being loaded`, {
        retryAfterSeconds: 2,
      });
    },
    list: () => [...opened.values()].map(({ info }) => info),
    async close() {
      await loaded.catch(() => undefined);
      await Promise.all([...opened.values()].map((classifier) => classifier.close()));
    },
  };
}

async function openClassifier(name: string, config: Config, logger: Logger, options: ModelsOptions) {
  const folder = join(config.modelsDir, name);
  const manifest = await readManifest(folder);
  const folders = modelFolders(config.cacheDir, manifest);
  // Files of a model without a package lie in its own folder.
  const source = manifest.source.npm === undefined ? folder : folders.source;
  const labels = await readLabels(join(source, manifest.output.labels), manifest.output.classes);
  const started = performance.now();
  const engine = await openEngine({ config, manifest, folders: { ...folders, source }, logger });
  logger.info({ model: name, ...engine.status, ms: Math.round(performance.now() - started) }, 'model ready');
  return createClassifier({
    manifest,
    labels,
    engine,
    maxPixels: config.MAX_IMAGE_PIXELS,
    maxBatch: config.MAX_BATCH,
    maxBatchDelayMs: config.MAX_BATCH_DELAY_MS,
    maxQueue: config.MAX_QUEUE,
    decoders: config.cpus,
    ...options,
  });
}
