import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../config/config.ts';
import type { Models } from '../domain/classifier.ts';
import { AppError } from '../domain/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Services } from './services.ts';

export interface CoreOptions {
  readonly services: Services;
  /** True if `ready` waits for the models; a server listens meanwhile and answers MODEL_NOT_READY. */
  readonly waitsForModels: boolean;
}

/** Loading a model may take longer than Fastify's 10 s for a plugin or hook; it ends or fails by itself. */
export const PLUGIN_TIMEOUT_MS = 0;

/**
 * The part of the app that every mode has: config, models and store as decorators. `ready` loads the models, `close`
 * finishes what was accepted and closes the services.
 */
export const corePlugin = fp<CoreOptions>(
  async (app, { services, waitsForModels }) => {
    const { config, models, objects } = services;
    app.decorate('config', config);
    app.decorate('models', models);
    app.decorate('objects', {
      getter() {
        if (objects) return objects;
        throw new AppError('INVALID_REQUEST', 'no object store is configured; send the image itself');
      },
    });
    if (waitsForModels) app.addHook('onReady', async () => models.loaded);
    app.addHook('onClose', async () => services.close());
  },
  { name: 'core' },
);

/** The app of the batch worker: the core without HTTP. */
export async function buildWorkerApp(services: Services): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: services.logger as FastifyBaseLogger,
    pluginTimeout: PLUGIN_TIMEOUT_MS,
  });
  await app.register(corePlugin, { services, waitsForModels: true });
  return app;
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly config: Config;
    readonly models: Models;
    /** Throws AppError INVALID_REQUEST if no store is configured. */
    readonly objects: ObjectStore;
  }
}
