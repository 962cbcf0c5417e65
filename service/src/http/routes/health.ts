import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from 'typebox';
import { packageRoot } from '../../../../models/folders.ts';
import { AppError } from '../../domain/errors.ts';
import type { App } from '../app-type.ts';
import { problems } from '../schemas/shared.ts';
import type { Services } from '../services.ts';

const status = (value: string, description: string) => ({
  description,
  content: { 'application/json': { schema: Type.Object({ status: Type.Literal(value) }) } },
});

const readiness = {
  description: 'The service accepts requests',
  content: {
    'application/json': {
      schema: Type.Object({
        status: Type.Literal('ready'),
        degraded: Type.Optional(
          Type.Array(Type.Object({ model: Type.String(), reason: Type.String() }), {
            description: 'Models that run on a slower engine, and why',
          }),
        ),
      }),
    },
  },
};

/** The short path is for people. */
const READINESS = [
  ['/health', 'getHealth'],
  ['/health/ready', 'getReadiness'],
] as const;

const version = {
  description: 'The version',
  content: {
    'application/json': { schema: Type.Object({ name: Type.String(), version: Type.String() }) },
  },
};

/** Probes for load balancers and containers; they need no key and are logged at debug level only. */
export function healthRoutes(app: App, { models }: Services): void {
  const config = { public: true, quiet: true, anyHost: true };
  const { name, version: number } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  const packageVersion = { name, version: number } as { name: string; version: string };
  app.get(
    '/version',
    {
      config,
      schema: {
        operationId: 'getVersion',
        summary: 'Get the version',
        description: 'Name and version of the service.',
        tags: ['health'],
        security: [],
        response: { 200: version, ...problems() },
      },
    },
    async () => packageVersion,
  );
  app.get(
    '/health/live',
    {
      config,
      schema: {
        operationId: 'getLiveness',
        summary: 'Check liveness',
        description: '200 while the process can respond. If it does not respond, restart it.',
        tags: ['health'],
        security: [],
        response: { 200: status('ok', 'The process is alive'), ...problems() },
      },
    },
    async () => ({ status: 'ok' as const }),
  );
  for (const [path, operationId] of READINESS)
    app.get(
      path,
      {
        config,
        schema: {
          operationId,
          summary: 'Check readiness',
          description: '200 once the model is loaded and warmed up; 503 before, and once a shutdown begins.',
          tags: ['health'],
          security: [],
          response: { 200: readiness, ...problems('MODEL_NOT_READY') },
        },
      },
      async () => {
        if (app.lifecycle.closing) throw new AppError('MODEL_NOT_READY', 'the server is shutting down');
        if (!models.ready)
          throw new AppError('MODEL_NOT_READY', 'the model is still loading; try again in a second');
        const degraded = models
          .list()
          .flatMap(({ name, degraded }) => (degraded ? { model: name, reason: degraded } : []));
        return { status: 'ready' as const, ...(degraded.length > 0 ? { degraded } : {}) };
      },
    );
}
