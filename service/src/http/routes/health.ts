import { Type } from 'typebox';
import { AppError } from '../../domain/errors.ts';
import type { App } from '../app-type.ts';
import { problems } from '../schemas/shared.ts';
import type { Services } from '../services.ts';

const status = (value: string, description: string) => ({
  description,
  content: { 'application/json': { schema: Type.Object({ status: Type.Literal(value) }) } },
});

const readiness = {
  description: 'Requests are welcome',
  content: {
    'application/json': {
      schema: Type.Object({
        status: Type.Literal('ready'),
        degraded: Type.Optional(
          Type.Array(Type.Object({ model: Type.String(), reason: Type.String() }), {
            description: 'Models that a slower engine serves, and why',
          }),
        ),
      }),
    },
  },
};

/** Probes for load balancers and containers; they need no key and are logged at debug level only. */
export function healthRoutes(app: App, { models }: Services): void {
  const config = { public: true, quiet: true, anyHost: true };
  app.get(
    '/health/live',
    {
      config,
      schema: {
        operationId: 'getLiveness',
        summary: 'Is the process alive?',
        description: 'Answers as long as the process can answer at all. When it does not, restart it.',
        tags: ['health'],
        security: [],
        response: { 200: status('ok', 'The process is alive'), ...problems() },
      },
    },
    async () => ({ status: 'ok' as const }),
  );
  app.get(
    '/health/ready',
    {
      config,
      schema: {
        operationId: 'getReadiness',
        summary: 'Can it classify now?',
        description:
          'Yes once the model is loaded and warmed up, no again from the moment a shutdown begins.',
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
