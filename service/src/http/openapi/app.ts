import { pino } from 'pino';
import { loadConfig } from '../../config/config.ts';
import { AppError } from '../../domain/errors.ts';
import { buildApp } from '../app.ts';
import type { App } from '../app-type.ts';

/** The app without models, which is enough to describe every route. Ignores the environment. */
export async function documentApp(): Promise<App> {
  const app = await buildApp({
    config: loadConfig({}),
    logger: pino({ level: 'silent' }),
    models: {
      defaultName: 'none',
      ready: false,
      list: () => [],
      get: () => {
        throw new AppError('MODEL_NOT_FOUND', 'this app has no models');
      },
      close: async () => {},
    },
    close: async () => {},
  });
  await app.ready();
  return app;
}
