import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ModelFolders } from '../../../../models/folders.ts';
import type { Manifest } from '../../../../models/manifest.ts';
import type { Config } from '../../config.ts';
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
 * Opens the engine the configuration asks for. ENGINE=auto falls back to wasm when TensorFlow's addon cannot be loaded.
 *
 * @throws AppError INVALID_MODEL when the model cannot be opened
 */
export async function openEngine(context: EngineContext): Promise<Engine> {
  const { config, logger } = context;
  if (config.ENGINE === 'wasm') return openWasmEngine(context);
  try {
    return await openTensorFlowEngine(context);
  } catch (error) {
    if (config.ENGINE !== 'auto') throw error;
    logger.warn(
      { reason: (error as Error).message },
      'TensorFlow is not available; using the slower wasm engine',
    );
    return openWasmEngine(context);
  }
}

async function openTensorFlowEngine(context: EngineContext): Promise<Engine> {
  const { config, folders, logger } = context;
  const precision = config.PRECISION === 'auto' ? nativePrecision() : config.PRECISION;
  const open = (stage: EngineStatus['stage']) =>
    createThreadEngine({
      spec: { ...spec(context), engine: 'tensorflow', stage, path: folders.compiled(precision, stage) },
      status: { engine: 'tensorflow', precision, stage },
      logger,
    });
  const wanted = config.STAGES === 'auto' ? affordableStages(precision) : config.STAGES;
  if (wanted === 'inputs') return open('inputs');
  const explainer = createOnDemandExplainer(() => open('inputs'));
  if (wanted === 'constants') return withExplainer(await open('constants'), explainer);
  return createStagedEngine(await open('inputs'), () => open('constants'), explainer, logger);
}

function withExplainer(engine: Engine, explainer: Pick<Engine, 'explain' | 'close'>): Engine {
  return {
    status: engine.status,
    infer: (input, size) => engine.infer(input, size),
    explain: (input, index) => explainer.explain(input, index),
    close: async () => {
      await Promise.all([explainer.close(), engine.close()]);
    },
  };
}

function openWasmEngine(context: EngineContext): Promise<Engine> {
  const { folders, manifest, logger } = context;
  return createThreadEngine({
    spec: {
      ...spec(context),
      engine: 'wasm',
      stage: 'constants',
      path: join(folders.source, manifest.entry),
      warmUp: [1],
    },
    status: { engine: 'wasm', precision: 'float32', stage: 'constants' },
    logger,
  });
}

function spec({ manifest, config }: EngineContext): Pick<RuntimeSpec, 'inputShape' | 'classes' | 'warmUp'> {
  const { height, width, channels } = manifest.input;
  return {
    inputShape: [height, width, channels === 'GRAY' ? 1 : 3],
    classes: manifest.output.classes,
    warmUp: [...new Set([1, config.MAX_BATCH])],
  };
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
