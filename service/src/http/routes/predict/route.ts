import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Classifier } from '../../../domain/classifier.ts';
import type { Classification } from '../../../domain/prediction.ts';
import type { TabularPrediction } from '../../../domain/tabular.ts';
import type { App } from '../../app-type.ts';
import { readImage } from '../../body/image-body.ts';
import type { ImageRequest } from '../../body/image-form.ts';
import { hasRows, predictRows, tabularModel } from '../../body/tabular-body.ts';
import { within } from '../../runtime/deadline.ts';
import { ClassifyQuery, DEFAULT_TOP_K, MODEL_PROBLEMS, problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { PredictBody } from './schema.ts';

/** POST /predict: one image in, the likeliest classes out; or rows in, one prediction each out. The app must know the body types of an image (addImageParsers). */
export function predictRoutes(app: App, services: Services): void {
  app.post(
    '/predict',
    {
      config: { tooLargeCode: 'IMAGE_TOO_LARGE' },
      schema: {
        operationId: 'predict',
        summary: 'Classify one image, or predict for rows',
        description:
          'Names what is in one image. Send the file as a multipart form, as the raw body, or as base64 in JSON; or name an object of the store. A tabular model takes rows instead: JSON `{"instances": [...]}` or text/csv, and answers one prediction a row.',
        tags: ['predict'],
        querystring: ClassifyQuery,
        body: PredictBody,
        response: {
          200: {
            description: 'The likeliest classes of an image, likeliest first; or one prediction a row',
            content: {
              'application/json': {
                // The stricter one first: a row's class has all that an image's class has.
                schema: Type.Union([
                  Type.Unsafe<TabularPrediction>({ $ref: 'TabularPrediction#' }),
                  Type.Unsafe<Classification>({ $ref: 'Classification#' }),
                ]),
              },
            },
          },
          ...problems(...MODEL_PROBLEMS, 'PAYLOAD_TOO_LARGE'),
        },
      },
    },
    async (request, reply) => {
      const { query } = request;
      if (!hasRows(request)) return classifyRequest(request, reply, query, app, services);
      return predictRows(request, reply, tabularModel(services, query.model), app);
    },
  );
}

/**
 * Reads the image of a request, classifies it and counts the result; any route whose body is one image can use it.
 *
 * @throws AppError of the image, of the model, or REQUEST_CANCELLED when the client has gone
 */
export async function classifyRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  query: ClassifyQuery,
  app: App,
  services: Services,
): Promise<Classification> {
  return withImage(request, reply, query, services, async (classifier, { bytes, topK }, signal) => {
    const options = { topK: query.topK ?? topK ?? DEFAULT_TOP_K, signal };
    const classification = await classifier.classify(bytes, options);
    app.metrics.observe(classification);
    return classification;
  });
}

/**
 * Reads the image of a request and has `work` done on it by the model that the query or the form names, in bounded time.
 *
 * @throws AppError of the image, of the model, OVERLOADED when time is up, or REQUEST_CANCELLED when the client has gone
 */
export async function withImage<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  query: { readonly model?: string },
  services: Services,
  work: (classifier: Classifier, image: ImageRequest, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return within(reply, async (signal) => {
    // A model that is not there is said before the image is looked at.
    if (query.model !== undefined) services.models.get(query.model);
    const image = await readImage(request, services, signal);
    return work(services.models.get(query.model ?? image.model), image, signal);
  });
}
