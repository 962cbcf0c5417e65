import { pino } from 'pino';
import { loadConfig } from '../../src/config/config.ts';
import type { Models } from '../../src/domain/classifier.ts';
import { createModels, type ModelsOptions } from '../../src/inference/models.ts';

/** ResNet-50, loaded and warmed up, with the settings of this process's environment and `env`. The caller closes it. */
export async function openResNet(
  env: Readonly<Record<string, string>> = {},
  options: ModelsOptions = {},
): Promise<Models> {
  const config = loadConfig({ ...process.env, ...env });
  const models = await createModels(config, pino({ level: 'silent' }), options);
  try {
    await models.loaded;
    return models;
  } catch (error) {
    await models.close();
    throw error;
  }
}
