import { pino } from 'pino';
import { loadConfig } from '../../src/config.ts';
import type { Models } from '../../src/domain/classifier.ts';
import { createModels } from '../../src/inference/models.ts';

/** The real ResNet-50 on the engine that is installed, or why it cannot run here. */
export type RealModels =
  | { readonly models: Models; readonly missing: false }
  | { readonly models: undefined; readonly missing: string };

/**
 * Loads the real model once for a test file, which closes it. Only one stage, so that no second one warms up behind the
 * tests.
 */
export async function openRealModels(): Promise<RealModels> {
  const models = await createModels({ ...loadConfig(), STAGES: 'inputs' }, pino({ level: 'silent' }));
  try {
    await models.loaded;
    return { models, missing: false };
  } catch (error) {
    await models.close();
    return {
      models: undefined,
      missing: `needs the model, which npm start sets up: ${(error as Error).message}`,
    };
  }
}
