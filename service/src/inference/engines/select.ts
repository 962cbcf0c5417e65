import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { precisionOf, VARIANTS } from '../../../../models/compiler/variants.ts';
import { type Cpu, describeCpu, readCpu } from '../../../../models/cpu.ts';
import type { ModelFolders } from '../../../../models/folders.ts';
import { channelCount, type Manifest } from '../../../../models/manifest.ts';
import { isCompiled } from '../../../../models/precision.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../domain/errors.ts';
import type { Engine, EngineInput, EngineStatus } from './engine.ts';
import type { RuntimeSpec } from './runtimes/runtime.ts';
import { AddonUnavailable } from './runtimes/tensorflow-addon.ts';
import { createThreadEngine } from './thread/engine.ts';
import { runnableVariants } from './variants.ts';

export interface EngineContext {
  readonly config: Pick<Config, 'ENGINE' | 'PRECISION' | 'ENGINE_TIMEOUT_MS'>;
  readonly manifest: Manifest;
  readonly folders: ModelFolders;
  readonly logger: Logger;
  /** This machine's CPU if absent; tests pass others. */
  readonly cpu?: Cpu;
}

/** The cost of the fallback, for the log, GET /models and the page. */
const WASM_COST = 'WebAssembly runs the model, 10 to 60 times slower than TensorFlow';

/**
 * Creates the engine that the manifest names. A tfjs model for tensorflow also runs on wasm: ENGINE=wasm selects that,
 * and ENGINE=auto falls back to it if TensorFlow's addon cannot be loaded. A model that TensorFlow refuses is an error.
 *
 * @throws AppError INVALID_MODEL if the model cannot be loaded, PRECISION_UNAVAILABLE if this CPU does not run it
 */
export async function createEngine<Input extends EngineInput>(
  context: EngineContext,
): Promise<Engine<Input>> {
  const { config, logger, manifest } = context;
  const { engine, format } = manifest;
  if (engine !== 'tensorflow') return createSourceEngine(context, engine);
  const isPortable = format !== 'saved-model';
  if (config.ENGINE === 'wasm') {
    if (isPortable) return createWasmEngine(context, 'ENGINE=wasm');
    const message = `the model ${manifest.name} is a SavedModel, which needs TensorFlow; ENGINE=wasm cannot run it`;
    throw new AppError('INVALID_MODEL', message);
  }
  try {
    return isCompiled(manifest)
      ? await createVariantEngine(context)
      : await createSourceEngine<Input>(context, 'tensorflow');
  } catch (error) {
    if (!(error instanceof AddonUnavailable)) throw error;
    const reason = `TensorFlow is not available: ${error.message}`;
    if (config.ENGINE === 'tensorflow' || !isPortable) throw new AppError('INVALID_MODEL', reason);
    logger.warn({ model: manifest.name, reason }, WASM_COST);
    return createWasmEngine(context, reason);
  }
}

/** Creates an engine of the first variant that this CPU runs, in the order of PRECISION. */
async function createVariantEngine<Input extends EngineInput>(
  context: EngineContext,
): Promise<Engine<Input>> {
  const { folders, logger, manifest, cpu = readCpu() } = context;
  const compiled = VARIANTS.filter((variant) => existsSync(folders.compiled(variant)));
  // Only set-up compiles models, and it skips those of an artefact or a bucket.
  if (compiled.length === 0 && manifest.source.npm === undefined) {
    return createSourceEngine(context, 'tensorflow');
  }
  let fault: unknown;
  for (const variant of await runnableVariants(context, cpu, compiled)) {
    try {
      return await startEngine<Input>(context, 'compiled', folders.compiled(variant), {
        engine: 'tensorflow',
        precision: precisionOf(variant),
      });
    } catch (error) {
      if (error instanceof AddonUnavailable) throw error;
      const reason = (error as Error).message;
      logger.warn({ variant, cpu: describeCpu(cpu), reason }, 'variant does not run; trying the next one');
      fault ??= error;
    }
  }
  throw fault;
}

function createWasmEngine<Input extends EngineInput>(
  context: EngineContext,
  reason: string,
): Promise<Engine<Input>> {
  const { PRECISION } = context.config;
  if (PRECISION === 'int8' || PRECISION === 'bfloat16') {
    throw new AppError('PRECISION_UNAVAILABLE', `PRECISION=${PRECISION} needs TensorFlow (${reason})`);
  }
  return createSourceEngine(context, 'wasm', `${reason}; ${WASM_COST}`);
}

/** Creates an engine that runs the model's own files, not a compiled variant. */
function createSourceEngine<Input extends EngineInput>(
  context: EngineContext,
  engine: EngineStatus['engine'],
  degraded?: string,
): Promise<Engine<Input>> {
  const { folders, manifest } = context;
  const entry = join(folders.source, manifest.entry);
  const path = manifest.format === 'saved-model' ? dirname(entry) : entry;
  const status: EngineStatus = { engine, precision: 'float32', ...(degraded ? { degraded } : {}) };
  return startEngine(context, manifest.format, path, status);
}

function startEngine<Input extends EngineInput>(
  { config, logger, manifest }: EngineContext,
  format: RuntimeSpec['format'],
  path: string,
  status: EngineStatus,
): Promise<Engine<Input>> {
  const spec = { engine: status.engine, format, path, ...inputAndOutput(manifest) };
  return createThreadEngine({ spec, status, logger, answerTimeoutMs: config.ENGINE_TIMEOUT_MS });
}

/** What a runtime needs to know of the model's input and output. */
function inputAndOutput(manifest: Manifest): Omit<RuntimeSpec, 'engine' | 'format' | 'path'> {
  const output = manifest.output.tensor === undefined ? {} : { output: manifest.output.tensor };
  const classes = 'classes' in manifest.output ? manifest.output.classes : 1;
  if (manifest.task !== 'image-classification') {
    const { features: columns } = manifest.input;
    return { inputShape: [columns.length], classes, columns, ...output };
  }
  const { height, width, layout } = manifest.input;
  const channels = channelCount(manifest.input);
  const inputShape = layout === 'NHWC' ? [height, width, channels] : [channels, height, width];
  return { inputShape, classes, image: manifest.input, ...output };
}
