import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pino } from 'pino';
import { type Config, loadConfig } from '../../src/config/config.ts';
import type { Models } from '../../src/domain/classifier.ts';
import { loadTensorFlow } from '../../src/inference/engines/runtimes/tensorflow.ts';
import { createModels, type ModelsOptions } from '../../src/inference/models.ts';
import { fromRoot } from './root.ts';

const EXAMPLES = fromRoot('models', 'examples');

/** Why tests on ONNX models cannot run, or false. */
export const onnxMissing = why('needs onnxruntime-node, an optional dependency', () =>
  createRequire(import.meta.url)('onnxruntime-node'),
);
export const tensorflowMissing = why('needs the TensorFlow addon, which npm start sets up', loadTensorFlow);

function why(reason: string, load: () => unknown): string | false {
  try {
    load();
    return false;
  } catch (error) {
    return `${reason}: ${(error as Error).message.split('\n', 1)[0]}`;
  }
}

/** Loads models with the settings `env`, in addition to this process's. Rejects if a model cannot be loaded. */
export async function openModels(
  env: Readonly<Record<string, string>>,
  options: ModelsOptions = {},
): Promise<Models> {
  const { CACHE_DIR } = process.env;
  const config: Config = loadConfig({ ...(CACHE_DIR ? { CACHE_DIR } : {}), ...env });
  const models = await createModels(config, pino({ level: 'silent' }), options);
  try {
    await models.loaded;
  } catch (error) {
    await models.close();
    throw error;
  }
  return models;
}

export interface GoldenRow {
  readonly row: Readonly<Record<string, number | string>>;
  /** scikit-learn's predictions, in float64. */
  readonly label?: string;
  readonly probabilities?: Readonly<Record<string, number>>;
  readonly value?: number;
}

/** The golden predictions that the training script of an example wrote. */
export async function goldenRows(example: string): Promise<GoldenRow[]> {
  return JSON.parse(await readFile(resolve(EXAMPLES, example, 'golden.json'), 'utf8'));
}
