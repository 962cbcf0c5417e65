import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { readCheck } from '../../../../models/checks.ts';
import { precisionOf, VARIANTS, type Variant } from '../../../../models/compiler/variants.ts';
import {
  type Cpu,
  describeCpu,
  fastestPrecisions,
  NEEDED_FOR,
  readCpu,
  variantsOf,
} from '../../../../models/cpu.ts';
import type { ModelFolders } from '../../../../models/folders.ts';
import type { Manifest } from '../../../../models/manifest.ts';
import { isCompiled, isInt8Accurate } from '../../../../models/precision.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../domain/errors.ts';
import type { Precision } from '../../domain/precision.ts';
import type { Engine, EngineInput, EngineStatus } from './engine.ts';
import { AddonUnavailable } from './runtimes/addon-unavailable.ts';
import type { RuntimeSpec } from './runtimes/runtime.ts';
import { createThreadEngine } from './thread/engine.ts';

export interface EngineContext {
  readonly config: Pick<Config, 'ENGINE' | 'PRECISION' | 'ENGINE_TIMEOUT_MS'>;
  readonly manifest: Manifest;
  readonly folders: ModelFolders;
  readonly logger: Logger;
  /** This machine's CPU when absent; tests give others. */
  readonly cpu?: Cpu;
}

/** What WebAssembly costs against TensorFlow, for everything that says so. */
const WASM_COST = 'WebAssembly runs the model, 10 to 60 times slower than TensorFlow';

/**
 * Opens the engine that the manifest names. A tfjs model for tensorflow also runs on wasm: ENGINE=wasm chooses that, and
 * ENGINE=auto falls back to it if TensorFlow's addon cannot be loaded. A model that TensorFlow refuses is an error.
 *
 * @throws AppError INVALID_MODEL when the model cannot be opened, PRECISION_UNAVAILABLE when this CPU does not run it
 */
export async function openEngine<Input extends EngineInput>(context: EngineContext): Promise<Engine<Input>> {
  const { config, logger, manifest } = context;
  const { engine, format } = manifest;
  if (engine !== 'tensorflow') return openAsIs(context, engine);
  const isPortable = format !== 'saved-model';
  if (config.ENGINE === 'wasm') {
    if (isPortable) return openWasm(context, 'ENGINE=wasm');
    throw new AppError(
      'INVALID_MODEL',
      `the model ${manifest.name} is a SavedModel, which only the tensorflow engine opens; not with ENGINE=wasm`,
    );
  }
  try {
    return isCompiled(manifest) ? await openVariant(context) : await openAsIs<Input>(context, 'tensorflow');
  } catch (error) {
    if (!(error instanceof AddonUnavailable)) throw error;
    const reason = `TensorFlow is not available: ${error.message}`;
    if (config.ENGINE === 'tensorflow' || !isPortable) throw new AppError('INVALID_MODEL', reason);
    logger.warn({ model: manifest.name, reason }, WASM_COST);
    return openWasm(context, reason);
  }
}

/** Opens the first variant that this CPU runs, in the order of PRECISION. */
async function openVariant<Input extends EngineInput>(context: EngineContext): Promise<Engine<Input>> {
  const { folders, logger, manifest, cpu = readCpu() } = context;
  const compiled = VARIANTS.filter((variant) => existsSync(folders.compiled(variant)));
  // Models that came with the machine (an artefact, a folder) may not have passed through set-up.
  if (compiled.length === 0 && manifest.source.npm === undefined) return openAsIs(context, 'tensorflow');
  let fault: unknown;
  for (const variant of await candidates(context, cpu, compiled)) {
    try {
      return await createThreadEngine<Input>({
        spec: { ...spec(context), engine: 'tensorflow', format: 'compiled', path: folders.compiled(variant) },
        status: { engine: 'tensorflow', precision: precisionOf(variant) },
        logger,
        answerTimeoutMs: context.config.ENGINE_TIMEOUT_MS,
      });
    } catch (error) {
      if (error instanceof AddonUnavailable) throw error;
      logger.warn(
        { variant, cpu: describeCpu(cpu), reason: (error as Error).message },
        'variant does not run',
      );
      fault ??= error;
    }
  }
  throw fault;
}

/** The variants to try. @throws AppError PRECISION_UNAVAILABLE, with what the CPU has and what is needed, if there is none */
async function candidates(
  { config, folders, manifest }: EngineContext,
  cpu: Cpu,
  compiled: readonly Variant[],
): Promise<Variant[]> {
  const { PRECISION } = config;
  const precisions = PRECISION === 'auto' ? fastestPrecisions(cpu, isInt8Accurate(manifest)) : [PRECISION];
  const runnable = precisions.flatMap((precision) => variantsOf(cpu, precision));
  const present = runnable.filter((variant) => compiled.includes(variant));
  // Not checked on this kind of CPU (an image, a shared cache): then it is tried.
  const results = await Promise.all(present.map((each) => readCheck(folders.compiled(each), cpu)));
  const found = present.filter((_, index) => (results[index] ?? 'ok') === 'ok');
  if (found.length > 0) return found;
  const wanted: Precision = PRECISION === 'auto' ? 'float32' : PRECISION;
  if (runnable.length > 0 && present.length === 0) {
    const hint =
      wanted === 'int8' ? `npm run calibrate -- ${manifest.name} <folder of pictures>` : 'npm run setup';
    throw new AppError(
      'INVALID_MODEL',
      `${manifest.name} is not compiled for PRECISION=${wanted}; run \`${hint}\``,
    );
  }
  throw new AppError(
    'PRECISION_UNAVAILABLE',
    `PRECISION=${wanted} needs ${NEEDED_FOR[wanted]}; this is ${describeCpu(cpu)}`,
  );
}

function openWasm<Input extends EngineInput>(context: EngineContext, reason: string): Promise<Engine<Input>> {
  const { PRECISION } = context.config;
  if (PRECISION === 'int8' || PRECISION === 'bfloat16') {
    throw new AppError('PRECISION_UNAVAILABLE', `PRECISION=${PRECISION} needs TensorFlow (${reason})`);
  }
  return openAsIs(context, 'wasm', `${reason}; ${WASM_COST}`);
}

/** The model's own files on one engine, in one thread. */
function openAsIs<Input extends EngineInput>(
  context: EngineContext,
  engine: EngineStatus['engine'],
  degraded?: string,
): Promise<Engine<Input>> {
  const { folders, manifest, logger } = context;
  const entry = join(folders.source, manifest.entry);
  return createThreadEngine({
    spec: {
      ...spec(context),
      engine,
      format: manifest.format,
      path: manifest.format === 'saved-model' ? dirname(entry) : entry,
    },
    status: { engine, precision: 'float32', ...(degraded === undefined ? {} : { degraded }) },
    logger,
    answerTimeoutMs: context.config.ENGINE_TIMEOUT_MS,
  });
}

function spec({ manifest }: EngineContext): Omit<RuntimeSpec, 'engine' | 'format' | 'path'> {
  const output = manifest.output.tensor === undefined ? {} : { output: manifest.output.tensor };
  const classes = 'classes' in manifest.output ? manifest.output.classes : 1;
  if (manifest.task !== 'image-classification') {
    const columns = manifest.input.features.map(({ name, categories }) => ({
      name,
      ...(categories ? { categories } : {}),
    }));
    return { inputShape: [columns.length], classes, columns, warmUp: [1], ...output };
  }
  const { height, width, channels, layout } = manifest.input;
  const depth = channels === 'GRAY' ? 1 : 3;
  const inputShape = layout === 'NHWC' ? [height, width, depth] : [depth, height, width];
  return { inputShape, classes, image: manifest.input, warmUp: [1], ...output };
}
