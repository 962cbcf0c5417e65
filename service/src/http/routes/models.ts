import { Type } from 'typebox';
import type { App } from '../app-type.ts';
import { problems } from '../schemas/shared.ts';
import type { Services } from '../services.ts';

/** GET /models: the loaded models. */
export function modelRoutes(app: App, { models }: Services): void {
  app.get(
    '/models',
    {
      schema: {
        operationId: 'listModels',
        summary: 'List the models',
        description: 'Name, version, engine, precision, input, labels and metrics of each loaded model.',
        tags: ['models'],
        response: {
          200: {
            description: 'The loaded models',
            content: {
              'application/json': {
                schema: Type.Object({ models: Type.Array(Type.Unsafe({ $ref: 'Model#' })) }),
              },
            },
          },
          ...problems('UNAUTHORIZED'),
        },
      },
    },
    async () => ({ models: [...models.list()] }),
  );
}
