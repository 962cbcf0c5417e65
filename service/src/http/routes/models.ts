import { Type } from 'typebox';
import type { ModelInfo } from '../../domain/classifier.ts';
import type { TabularModelInfo } from '../../domain/tabular.ts';
import type { App } from '../app-type.ts';
import { problems } from '../schemas/shared.ts';
import type { Services } from '../services.ts';

const tags = ['models'];
const Model = Type.Unsafe({ $ref: 'Model#' });

/** GET /models and GET /models/{name}: the loaded models and how they run. */
export function modelRoutes(app: App, { models }: Services): void {
  app.get(
    '/models',
    {
      schema: {
        operationId: 'listModels',
        summary: 'List the models',
        description: 'Name, version, engine, precision, input and metrics of each loaded model.',
        tags,
        response: {
          200: {
            description: 'The loaded models',
            content: { 'application/json': { schema: Type.Object({ models: Type.Array(Model) }) } },
          },
          ...problems('UNAUTHORIZED'),
        },
      },
    },
    async () => ({
      models: models.list().map((info) => {
        const { labels: _, ...model } = withClasses(info);
        return model;
      }),
    }),
  );

  app.get(
    '/models/:name',
    {
      schema: {
        operationId: 'getModel',
        summary: 'Get a model',
        description: 'A loaded model with the labels of its classes.',
        tags,
        params: Type.Object({ name: Type.String({ minLength: 1, maxLength: 64 }) }),
        response: {
          200: { description: 'The model', content: { 'application/json': { schema: Model } } },
          ...problems('UNAUTHORIZED', 'MODEL_NOT_FOUND', 'MODEL_NOT_READY'),
        },
      },
    },
    // `get` throws for a name that is not listed: unknown, or still loading.
    async ({ params }) =>
      withClasses(models.list().find(({ name }) => name === params.name) ?? models.get(params.name).info),
  );
}

const withClasses = (info: ModelInfo | TabularModelInfo) => ({ ...info, classes: info.labels.length });
