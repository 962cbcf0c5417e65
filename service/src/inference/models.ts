import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { modelFolder } from '../../../models/locate.ts';
import { readManifest } from '../../../models/manifest.ts';
import type { Config } from '../config/config.ts';
import { createByteBudget } from '../domain/byte-budget.ts';
import type { Models } from '../domain/classifier.ts';
import { AppError } from '../domain/errors.ts';
import { type LoadedModel, loadModel, type ModelsOptions } from './load-model.ts';

export type { ModelsOptions } from './load-model.ts';

/**
 * Starts loading the models and resolves at once; see `loaded` and `ready`. If a model cannot be loaded, `loaded` rejects
 * with AppError INVALID_MODEL or MODEL_NOT_FOUND. With STRICT_MODELS=off that model is left out, and `loaded` rejects only
 * if no model is left. No other model replaces the default one.
 */
export async function createModels(
  config: Config,
  logger: Logger,
  options: ModelsOptions = {},
): Promise<Models> {
  const { folders, defaultName } = await locateModels(config);
  const loadedModels = new Map<string, LoadedModel>();
  // Shared by all models, as they share the machine.
  const decodeMemory = createByteBudget(config.DECODE_MEMORY_MB * 2 ** 20);
  let closing = false;
  let ready = false;
  const loaded = loadAll().then(() => {
    ready = true;
  });
  // Callers that do not await `loaded` see that `ready` stays false.
  loaded.catch(() => undefined);

  /** Loads one model after the other, so that their peaks of memory do not add up. */
  async function loadAll(): Promise<void> {
    let firstFault: unknown;
    for (const [name, folder] of folders) {
      if (closing) return;
      try {
        loadedModels.set(name, await loadModel(name, folder, config, logger, { decodeMemory, ...options }));
      } catch (error) {
        if (config.STRICT_MODELS === 'on') throw error;
        firstFault ??= error;
        folders.delete(name);
        logger.error({ model: name, reason: (error as Error).message }, 'model not loaded; the others serve');
      }
    }
    if (loadedModels.size === 0) throw firstFault;
  }

  function find(name: string): LoadedModel {
    if (!folders.has(name)) {
      const fault =
        name === defaultName ? `the default model "${name}" could not be loaded` : `unknown model "${name}"`;
      throw new AppError('MODEL_NOT_FOUND', `${fault}; available: ${[...folders.keys()].join(', ')}`);
    }
    const found = loadedModels.get(name);
    if (found) return found;
    throw new AppError('MODEL_NOT_READY', `the model ${name} is still loading; try again later`, {
      retryAfterSeconds: 2,
    });
  }

  return {
    defaultName,
    loaded,
    get ready() {
      return ready && [...loadedModels.values()].every(({ model }) => model.info.ready);
    },
    get queueDepth() {
      return [...loadedModels.values()].reduce((sum, { model }) => sum + model.waiting, 0);
    },
    get queueDepths() {
      return Object.fromEntries([...loadedModels].map(([name, { model }]) => [name, model.waiting]));
    },
    get(name = defaultName) {
      const found = find(name);
      if (found.kind === 'image') return found.model;
      const message = `the model ${name} takes rows, not images; send {"instances": [...]} or text/csv`;
      throw new AppError('INVALID_REQUEST', message);
    },
    tabular(name = defaultName) {
      const found = find(name);
      if (found.kind === 'tabular') return found.model;
      throw new AppError('INVALID_REQUEST', `the model ${name} takes images, not rows; send an image`);
    },
    taskOf: (name = defaultName) => find(name).model.info.task,
    list: () => [...loadedModels.values()].map(({ model }) => model.info),
    async close() {
      closing = true;
      await loaded.catch(() => undefined);
      await Promise.all([...loadedModels.values()].map(({ model }) => model.close()));
    },
  };
}

/**
 * Finds the folders of the models to serve, the default one first. An artefact at SM_MODEL_DIR replaces the built-in model
 * of its name, and is the default if the environment names none.
 */
async function locateModels(
  config: Config,
): Promise<{ readonly folders: Map<string, string>; readonly defaultName: string }> {
  const { MODEL, models, modelsDir, SM_MODEL_DIR: artefactDir } = config;
  const artefact = existsSync(join(artefactDir, 'manifest.json'))
    ? (await readManifest(artefactDir)).name
    : undefined;
  const defaultName = artefact !== undefined && models.length === 0 ? artefact : MODEL;
  const names = new Set([defaultName, ...models, ...(artefact === undefined ? [] : [artefact])]);
  const folders = [...names].map((name): [string, string] => [
    name,
    name === artefact ? artefactDir : modelFolder(modelsDir, name),
  ]);
  return { folders: new Map(folders), defaultName };
}
