import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import supertest from 'supertest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { buildApp } from '../../src/http/app.ts';
import type { App } from '../../src/http/app-type.ts';
import type { Services } from '../../src/http/services.ts';
import { createThumbnailer } from '../../src/inference/image/thumbnail.ts';
import { conformsTo } from './conforms.ts';

export interface TestApp {
  readonly app: App;
  readonly url: string;
  readonly port: number;
  /** Requests over a socket. Every response is checked against the app's OpenAPI document. */
  readonly http: ReturnType<typeof supertest.agent>;
  /** The log, as text. */
  readonly log: () => string;
  close(): Promise<void>;
}

export interface TestAppOptions
  extends Pick<Services, 'models'>,
    Partial<Pick<Services, 'objects' | 'batch' | 'thumbnail'>> {
  /** Environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Limits of a platform, which no environment variable sets. */
  readonly config?: Partial<Config>;
  /** A free port by default. */
  readonly port?: number;
}

/** The whole app on 127.0.0.1. Closing it does not close the models. */
export async function startApp({
  models,
  objects,
  batch,
  thumbnail = createThumbnailer({ maxPixels: 50_000_000 }),
  env = {},
  config = {},
  port: wanted = 0,
}: TestAppOptions): Promise<TestApp> {
  let logged = '';
  const logger = pino(
    { level: env.LOG_LEVEL ?? 'debug', base: null },
    {
      write(line) {
        logged += line;
      },
    },
  );
  const app = await buildApp({
    config: { ...loadConfig(env), ...config },
    logger,
    models,
    ...(objects ? { objects } : {}),
    ...(batch ? { batch } : {}),
    thumbnail,
    close: async () => {},
  });
  await app.listen({ host: '127.0.0.1', port: wanted });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const http = supertest.agent(url).use((request: unknown) => {
    (request as supertest.Test).expect(conformsTo(app));
  });
  return { app, url, port, http, log: () => logged, close: () => app.close() };
}
