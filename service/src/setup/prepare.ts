import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readManifest } from '../../../models/manifest.ts';
import { isAppError } from '../domain/errors.ts';
import { type SetupContext, workFolder } from './context.ts';
import { type EngineOptions, type EngineState, ensureEngine, findEngine } from './engine/engine.ts';
import { SetupError } from './failure.ts';
import { ensureModel, isModelReady, type KnownModel, variantsFor } from './model.ts';

/** What set-up is to make ready. */
export interface Wanted {
  readonly engine: 'auto' | 'tensorflow' | 'wasm';
  readonly precision: 'auto' | 'float32' | 'bfloat16';
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
  const found = await findAll(wanted, context);
  if (found !== undefined) return report(found, wanted, context);
  await mkdir(cacheDir, { recursive: true });
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
    for (const model of wanted.models) await ensureModel(model, variantsOf(wanted, engine), context);
    report(engine, wanted, context);
  } finally {
    await rm(workFolder(cacheDir), { recursive: true, force: true });
    lock.release();
  }
}

const chosenWasm: EngineState = { engine: 'wasm', text: 'WebAssembly' };

/** The wasm engine runs the source itself and needs nothing compiled. */
const variantsOf = ({ precision }: Wanted, { engine }: EngineState) =>
  engine === 'tensorflow' ? variantsFor(precision) : [];

/** Engine and models when everything is ready and has its hash; checked side by side. */
async function findAll(wanted: Wanted, context: SetupContext): Promise<EngineState | undefined> {
  const expected: EngineState = wanted.engine === 'wasm' ? chosenWasm : { engine: 'tensorflow', text: '' };
  const [engine, ...models] = await Promise.all([
    wanted.engine === 'wasm' ? chosenWasm : findEngine(context, wanted.engineOptions),
    ...wanted.models.map((model) => isModelReady(model, variantsOf(wanted, expected), context)),
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
 * @param only name of the one that is wanted; all when undefined
 * @throws SetupError when `only` is not there
 */
export async function findModels(modelsDir: string, only: string | undefined): Promise<KnownModel[]> {
  const entries = await readdir(modelsDir, { withFileTypes: true });
  const known: KnownModel[] = [];
  for (const entry of entries.filter((each) => each.isDirectory())) {
    const folder = join(modelsDir, entry.name);
    try {
      const manifest = await readManifest(folder);
      if (only === undefined || manifest.name === only) known.push({ manifest, folder });
    } catch (error) {
      // A folder without a manifest (models/compiler) holds no model.
      if (!isAppError(error, 'MODEL_NOT_FOUND')) throw error;
    }
  }
  if (only !== undefined && known.length === 0) {
    throw new SetupError(`MODEL=${only}: there is no such model in ${basename(modelsDir)}/`);
  }
  return known;
}
