import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { modelFolder } from '../../../models/locate.ts';
import { readManifest } from '../../../models/manifest.ts';
import type { Config } from '../config/config.ts';
import { createByteBudget } from '../domain/byte-budget.ts';
import type { Models } from '../domain/classifier.ts';
import { AppError } from '../domain/errors.ts';
import { type ModelsOptions, type OpenModel, openModel } from './load-model.ts';

export type { ModelsOptions } from './load-model.ts';

/**
 * Starts to load the models and resolves at once; `loaded` and `ready` tell when they are warm. A model that cannot be
 * loaded rejects `loaded` with AppError INVALID_MODEL or MODEL_NOT_FOUND; with STRICT_MODELS=off it is left out, and
 * `loaded` rejects only when no model is left. Where the default one is left out, no other answers in its name.
 */
export async function createModels(
  config: Config,
  logger: Logger,
  options: ModelsOptions = {},
): Promise<Models> {
  const { folders, defaultName } = await locateModels(config);
  const opened = new Map<string, OpenModel>();
  // One for all models: they share the machine.
  const decodeMemory = createByteBudget(config.DECODE_MEMORY_MB * 2 ** 20);
  let closing = false;
  let ready = false;
  const loaded = loadAll().then(() => {
    ready = true;
  });
  // Callers that never look at `loaded` still see `ready` stay false.
  loaded.catch(() => undefined);

  /** One after the other: each has the CPUs for its warm-up, and their peaks of memory do not add up. */
  async function loadAll(): Promise<void> {
    let firstFault: unknown;
    for (const [name, folder] of folders) {
      if (closing) return;
      try {
        opened.set(name, await openModel(name, folder, config, logger, { decodeMemory, ...options }));
      } catch (error) {
        if (config.STRICT_MODELS === 'on') throw error;
        firstFault ??= error;
        folders.delete(name);
        logger.error({ model: name, reason: (error as Error).message }, 'model refused; the others serve');
      }
    }
    if (opened.size === 0) throw firstFault;
  }

  function find(name: string): OpenModel {
    if (!folders.has(name)) {
      const known = [...folders.keys()].join(', ');
      const fault =
        name === defaultName
          ? `the default model "${name}" could not be loaded`
          : `there is no model "${name}"`;
      throw new AppError('MODEL_NOT_FOUND', `${fault}; there is ${known}`);
    }
    const found = opened.get(name);
    if (found) return found;
    throw new AppError('MODEL_NOT_READY', `the model ${name} is still being loaded`, {
      retryAfterSeconds: 2,
    });
  }

  return {
    defaultName,
    loaded,
    get ready() {
      return ready && [...opened.values()].every(({ model }) => model.info.ready);
    },
    get queueDepth() {
      return [...opened.values()].reduce((sum, { model }) => sum + model.waiting, 0);
    },
    get queueDepths() {
      return Object.fromEntries([...opened].map(([name, { model }]) => [name, model.waiting]));
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
    list: () => [...opened.values()].map(({ model }) => model.info),
    async close() {
      closing = true;
      await loaded.catch(() => undefined);
      await Promise.all([...opened.values()].map(({ model }) => model.close()));
    },
  };
}

/**
 * Which models are to be served, the default one first, and their folders. An artefact at SM_MODEL_DIR takes the place
 * of the built-in model of its name, and is the default where the environment names none.
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
