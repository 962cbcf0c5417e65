import { existsSync, readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import type { ModelFolders } from '../../../../models/folders.ts';
import type { Manifest } from '../../../../models/manifest.ts';
import type { Config } from '../../config.ts';
import { AppError } from '../../domain/errors.ts';
import type { Engine, EngineStatus } from './engine.ts';
import { createOnDemandExplainer } from './on-demand.ts';
import type { RuntimeSpec } from './runtime.ts';
import { createStagedEngine } from './staged-engine.ts';
import { createThreadEngine } from './thread-engine.ts';

export interface EngineContext {
  readonly config: Pick<Config, 'ENGINE' | 'PRECISION' | 'STAGES' | 'MAX_BATCH'>;
  readonly manifest: Manifest;
  readonly folders: ModelFolders;
  readonly logger: Logger;
}

/** Memory that the constants' warm-up takes at its peak beside the first stage, in bytes (measured: see docs). */
const CONSTANTS_MEMORY = { float32: 2.2e9, bfloat16: 1.6e9 } as const;

/**
 * Opens the engine that the manifest names. A tfjs model for tensorflow also runs on wasm: ENGINE=wasm chooses that, and
 * ENGINE=auto falls back to it when TensorFlow's addon cannot be loaded.
 *
 * @throws AppError INVALID_MODEL when the model cannot be opened
 */
export async function openEngine(context: EngineContext): Promise<Engine> {
  const { config, logger, manifest } = context;
  const { engine, format } = manifest;
  if (engine !== 'tensorflow') return openAsIs(context, engine);
  const portable = format !== 'saved-model';
  if (config.ENGINE === 'wasm') {
    if (portable) return openAsIs(context, 'wasm');
    throw new AppError(
      'INVALID_MODEL',
      `the model ${manifest.name} is a SavedModel, which only the tensorflow engine opens; not with ENGINE=wasm`,
    );
  }
  try {
    return await openTensorFlowEngine(context);
  } catch (error) {
    if (config.ENGINE !== 'auto' || !portable) throw error;
    logger.warn(
      { reason: (error as Error).message },
      'TensorFlow is not available; using the slower wasm engine',
    );
    return openAsIs(context, 'wasm');
  }
}

/** A layers model is run as models/compiler made it, if set-up did; every other model as it is. */
async function openTensorFlowEngine(context: EngineContext): Promise<Engine> {
  const { config, folders, logger, manifest } = context;
  if (manifest.format !== 'tfjs-layers') return openAsIs(context, 'tensorflow');
  const precision = config.PRECISION === 'auto' ? nativePrecision() : config.PRECISION;
  const compiled = folders.compiled(precision, 'inputs');
  // Models that came with the machine (an artefact, a folder) may not have passed through set-up.
  if (manifest.source.npm === undefined && !existsSync(compiled)) return openAsIs(context, 'tensorflow');
  const open = (stage: EngineStatus['stage']) =>
    createThreadEngine({
      spec: {
        ...spec(context),
        engine: 'tensorflow',
        format: 'compiled',
        stage,
        path: folders.compiled(precision, stage),
      },
      status: { engine: 'tensorflow', precision, stage },
      logger,
    });
  // An image may leave the constants out, to be smaller.
  const hasConstants = existsSync(folders.compiled(precision, 'constants'));
  const best = hasConstants ? affordableStages(precision) : 'inputs';
  const wanted = config.STAGES === 'auto' ? best : config.STAGES;
  if (wanted === 'inputs') return open('inputs');
  const explainer = createOnDemandExplainer(() => open('inputs'));
  if (wanted === 'constants') return withExplainer(await open('constants'), explainer);
  return createStagedEngine(await open('inputs'), () => open('constants'), explainer, logger);
}

function withExplainer(engine: Engine, explainer: Pick<Engine, 'explain' | 'close'>): Engine {
  return {
    status: engine.status,
    allocate: (length) => engine.allocate(length),
    infer: (input, size) => engine.infer(input, size),
    explain: (input, index) => explainer.explain(input, index),
    close: async () => {
      await Promise.all([explainer.close(), engine.close()]);
    },
  };
}

/** The model's own files on one engine, in one thread. */
function openAsIs(context: EngineContext, engine: EngineStatus['engine']): Promise<Engine> {
  const { folders, manifest, logger } = context;
  const entry = join(folders.source, manifest.entry);
  return createThreadEngine({
    spec: {
      ...spec(context),
      engine,
      format: manifest.format,
      stage: 'constants',
      path: manifest.format === 'saved-model' ? dirname(entry) : entry,
      ...(engine === 'wasm' ? { warmUp: [1] } : {}),
    },
    status: { engine, precision: 'float32', stage: 'constants' },
    logger,
  });
}

function spec({
  manifest,
  config,
}: EngineContext): Pick<RuntimeSpec, 'inputShape' | 'classes' | 'warmUp' | 'columns' | 'output'> {
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
  return { inputShape, classes, warmUp: [...new Set([1, config.MAX_BATCH])], ...output };
}

/** bfloat16 only where the CPU multiplies it in hardware: elsewhere it is slower than float32. */
export function nativePrecision(cpuInfo = readCpuInfo()): EngineStatus['precision'] {
  return /\b(amx_bf16|avx512_bf16)\b/.test(cpuInfo) ? 'bfloat16' : 'float32';
}

function readCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return ''; // Not Linux: nothing to read, so nothing is assumed.
  }
}

/** Both stages where the process may use enough memory for them, else only the small one. */
function affordableStages(precision: EngineStatus['precision']): 'inputs' | 'both' {
  // A container's limit where there is one; 0 or a huge number means none.
  const limit = process.constrainedMemory();
  const available =
    limit > 0 && limit < 2 ** 50 ? Math.min(limit - process.memoryUsage.rss(), freemem()) : freemem();
  return available >= CONSTANTS_MEMORY[precision] ? 'both' : 'inputs';
}
