import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { modelFolder } from '../../models/locate.ts';
import { readManifest } from '../../models/manifest.ts';
import { isAppError } from '../src/domain/errors.ts';
import { type SetupContext, workFolder } from './context.ts';
import { type EngineOptions, type EngineState, ensureEngine, findEngine } from './engine/engine.ts';
import { SetupError } from './failure.ts';
import { checkVariants, uncheckedVariants } from './model/check-variants.ts';
import { ensureModel, isModelReady, type KnownModel, variantsFor } from './model/model.ts';
import { claimFolder } from './private-folder.ts';

/** What set-up is to make ready. */
export interface Wanted {
  readonly engine: 'auto' | 'tensorflow' | 'wasm';
  readonly engineOptions: EngineOptions;
  readonly models: readonly KnownModel[];
}

/** bootstrap/lock.mjs, which also guards the steps before the build. */
export type AcquireLock = (
  file: string,
  options?: { onWait?: (holder: { pid: number }) => void },
) => Promise<{ release(): void }>;

/**
 * Makes engine and models ready, and trusts nothing in the cache that does not have its hash. When all is there, this
 * costs one pass of hashing; else it takes the cache's lock and makes what is missing.
 *
 * @throws SetupError with one line that says what to do
 */
export async function prepare(
  wanted: Wanted,
  context: SetupContext,
  acquireLock: AcquireLock,
): Promise<void> {
  const { progress, cacheDir } = context;
  await claimFolder(cacheDir);
  const found = await findAll(wanted, context);
  if (found !== undefined) return report(found, wanted, context);
  const lock = await acquireLock(join(cacheDir, 'setup.lock'), {
    onWait: ({ pid }) =>
      progress.notice('set-up', `waiting for another one with the same cache folder (process ${pid})`),
  });
  try {
    // What an interrupted run left behind; nobody else works here while we hold the lock.
    await rm(workFolder(cacheDir), { recursive: true, force: true });
    await mkdir(workFolder(cacheDir), { recursive: true });
    const engine = wanted.engine === 'wasm' ? chosenWasm : await ensureEngine(context, wanted.engineOptions);
    if (wanted.engine === 'tensorflow' && engine.engine !== 'tensorflow') {
      throw new SetupError('ENGINE=tensorflow cannot be had here (see above): mend that, or use ENGINE=auto');
    }
    for (const model of wanted.models) {
      const variants = engine.engine === 'tensorflow' ? await variantsFor(model) : [];
      await ensureModel(model, variants, context);
      await checkVariants(model, variants, context);
    }
    report(engine, wanted, context);
  } finally {
    await rm(workFolder(cacheDir), { recursive: true, force: true });
    lock.release();
  }
}

const chosenWasm: EngineState = { engine: 'wasm', text: 'WebAssembly' };

/** Engine and models when everything is ready and has its hash; checked side by side. */
async function findAll(wanted: Wanted, context: SetupContext): Promise<EngineState | undefined> {
  const isReady = async (model: KnownModel): Promise<boolean> => {
    const variants = wanted.engine === 'wasm' ? [] : await variantsFor(model);
    if (!(await isModelReady(model, variants, context))) return false;
    return (await uncheckedVariants(model, variants, context)).length === 0;
  };
  const [engine, ...models] = await Promise.all([
    wanted.engine === 'wasm' ? chosenWasm : findEngine(context, wanted.engineOptions),
    ...wanted.models.map(isReady),
  ]);
  return models.every(Boolean) ? engine : undefined;
}

function report(engine: EngineState, { models }: Wanted, { progress }: SetupContext): void {
  progress.ready('engine', engine.text);
  for (const { manifest } of models) progress.ready('model', `${manifest.name} ${manifest.version}`);
}

/**
 * The models in a folder of model folders.
 *
 * @param only names of those that are wanted (examples among them); when undefined, all that are no examples
 * @throws SetupError when one of `only` is not there
 */
export async function findModels(
  modelsDir: string,
  only: readonly string[] | undefined,
): Promise<KnownModel[]> {
  if (only === undefined) {
    const entries = await readdir(modelsDir, { withFileTypes: true });
    only = entries
      // A folder without a manifest (models/compiler) holds no model.
      .filter((each) => each.isDirectory() && existsSync(join(modelsDir, each.name, 'manifest.json')))
      .map(({ name }) => name);
  }
  return Promise.all(
    only.map(async (name) => {
      const folder = modelFolder(modelsDir, name);
      try {
        return { manifest: await readManifest(folder), folder };
      } catch (error) {
        if (!isAppError(error, 'MODEL_NOT_FOUND')) throw error;
        throw new SetupError(`MODEL=${name}: there is no such model in ${basename(modelsDir)}/`);
      }
    }),
  );
}
