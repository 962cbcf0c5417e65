import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { modelFolder } from '../../models/locate.ts';
import { readManifest } from '../../models/manifest.ts';
import { isAppError } from '../src/domain/errors.ts';
import { acquireLock } from './bootstrap/lock.mjs';
import { type SetupContext, workFolder } from './context.ts';
import { type EngineOptions, type EngineState, ensureEngine, findEngine } from './engine/engine.ts';
import { SetupError } from './failure.ts';
import { checkVariants, uncheckedVariants } from './model/check-variants.ts';
import { ensureModel, isModelReady, type KnownModel, variantsFor } from './model/model.ts';
import { claimFolder } from './private-folder.ts';

/** What set-up prepares. */
export interface Wanted {
  readonly engine: 'auto' | 'tensorflow' | 'wasm';
  readonly engineOptions: EngineOptions;
  readonly models: readonly KnownModel[];
}

const WASM: EngineState = { engine: 'wasm', text: 'WebAssembly' };

/**
 * Prepares engine and models. If anything is missing, takes the lock of the cache and makes it.
 *
 * @returns the engine that runs the models
 * @throws SetupError with one line that says what to do
 */
export async function prepare(wanted: Wanted, context: SetupContext): Promise<EngineState> {
  const { progress, cacheDir } = context;
  await claimFolder(cacheDir);
  const found = await findAll(wanted, context);
  if (found !== undefined) return found;
  const lock = await acquireLock(join(cacheDir, 'setup.lock'), {
    onWait: ({ pid }) =>
      progress.notice('set-up', `waiting for another set-up with this cache directory (process ${pid})`),
  });
  const work = workFolder(cacheDir);
  try {
    // An interrupted run may have left files.
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    const engine = wanted.engine === 'wasm' ? WASM : await ensureEngine(context, wanted.engineOptions);
    if (wanted.engine === 'tensorflow' && engine.engine !== 'tensorflow') {
      throw new SetupError('TensorFlow could not be installed (see above); fix that or set ENGINE=auto');
    }
    for (const model of wanted.models) {
      const variants = engine.engine === 'tensorflow' ? await variantsFor(model) : [];
      await ensureModel(model, variants, context);
      await checkVariants(model, variants, context);
    }
    return engine;
  } finally {
    await rm(work, { recursive: true, force: true });
    lock.release();
  }
}

/** The engine if engine and models are ready. */
async function findAll(wanted: Wanted, context: SetupContext): Promise<EngineState | undefined> {
  const engine = wanted.engine === 'wasm' ? WASM : await findEngine(context, wanted.engineOptions);
  if (engine === undefined) return undefined;
  for (const model of wanted.models) {
    const variants = wanted.engine === 'wasm' ? [] : await variantsFor(model);
    if (!(await isModelReady(model, variants, context))) return undefined;
    if ((await uncheckedVariants(model, variants, context)).length > 0) return undefined;
  }
  return engine;
}

/**
 * The models in a folder of model folders.
 *
 * @param only names of models, examples included; undefined means all models except the examples
 * @throws SetupError if one of `only` does not exist
 */
export async function findModels(
  modelsDir: string,
  only: readonly string[] | undefined,
): Promise<KnownModel[]> {
  return Promise.all(
    (only ?? (await modelNames(modelsDir))).map(async (name) => {
      const folder = modelFolder(modelsDir, name);
      try {
        return { manifest: await readManifest(folder), folder };
      } catch (error) {
        if (!isAppError(error, 'MODEL_NOT_FOUND')) throw error;
        const available = [
          ...(await modelNames(modelsDir)),
          ...(await modelNames(join(modelsDir, 'examples'))),
        ];
        throw new SetupError(`unknown model ${JSON.stringify(name)}; available: ${available.join(', ')}`);
      }
    }),
  );
}

async function modelNames(modelsDir: string): Promise<string[]> {
  const names = existsSync(modelsDir) ? await readdir(modelsDir) : [];
  return names.filter((name) => existsSync(join(modelsDir, name, 'manifest.json'))).sort();
}
