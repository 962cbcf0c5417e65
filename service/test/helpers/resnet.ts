import { pino } from 'pino';
import { loadConfig } from '../../src/config.ts';
import type { Models } from '../../src/domain/classifier.ts';
import { createModels, type ModelsOptions } from '../../src/inference/models.ts';

/**
 * The real ResNet-50, loaded and warm. One stage only unless `env` says otherwise: the tests that are not about the
 * swap should not have it happen in the middle. CACHE_DIR and its like come from the environment. Whoever opens it closes it.
 */
export async function openResNet(
  env: Readonly<Record<string, string>> = {},
  options: ModelsOptions = {},
): Promise<Models> {
  const config = loadConfig({ ...process.env, STAGES: 'inputs', ...env });
  const models = await createModels(config, pino({ level: 'silent' }), options);
  try {
    await models.loaded;
    return models;
  } catch (error) {
    await models.close();
    throw error;
  }
}
