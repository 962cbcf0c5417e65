import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Classification } from '../../../domain/prediction.ts';
import type { TabularPrediction } from '../../../domain/tabular.ts';
import type { App } from '../../app-type.ts';
import { type NamedImage, readImageRequest, readImagesRequest } from '../../body/image-request.ts';
import { hasRows, predictRows, tabularModel } from '../../body/tabular-body.ts';
import { imageTooLarge } from '../../errors/too-large.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { ClassifyQuery, MODEL_PROBLEMS, problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { classifyImages } from './images.ts';
import { type ImageResults, PredictImagesBody } from './schema.ts';

/** POST /predict: images in, the likeliest classes of each out; or rows in, one prediction each out. Needs addBodyParsers. */
export function predictRoutes(app: App, services: Services): void {
  app.post(
    '/predict',
    {
      config: { tooLarge: () => imageTooLarge(services.config.maxUploadBytes) },
      schema: {
        operationId: 'predict',
        summary: 'Classify images, or predict for rows',
        description:
          'Classifies one image. Send the file as a multipart form, as the raw body, or as base64 in JSON; or send the key of an object of the store. Several images (file parts, `images` or `objects`) return one entry each, in order, errors included: an image that finds the queue full is an entry OVERLOADED. Their bytes together are limited as one image is. A tabular model takes rows: JSON `{"instances": [...]}` or text/csv, and returns one prediction per row.',
        tags: ['predict'],
        querystring: ClassifyQuery,
        body: PredictImagesBody,
        response: {
          200: {
            description:
              'The likeliest classes of an image, likeliest first; or one entry per image; or one prediction per row',
            content: {
              'application/json': {
                // The stricter one first: a row's class has every member of an image's class.
                schema: Type.Union([
                  Type.Unsafe<TabularPrediction>({ $ref: 'TabularPrediction#' }),
                  Type.Unsafe<Classification>({ $ref: 'Classification#' }),
                  Type.Unsafe<ImageResults>({ $ref: 'Classifications#' }),
                ]),
              },
            },
          },
          ...problems(...MODEL_PROBLEMS, 'PAYLOAD_TOO_LARGE'),
        },
      },
    },
    async (request, reply) =>
      withDeadline(reply, async (signal) => {
        const { query } = request;
        if (hasRows(request)) {
          const prediction = await predictRows(request, tabularModel(services, query.model), signal);
          app.metrics.observe(prediction);
          return prediction;
        }
        const images = await readImagesRequest(request, query, signal);
        if (!images.isSingle) return classifyImages(request, images, signal);
        const { topK, model } = images;
        const [image] = images.images as [NamedImage];
        const classification = await app.models.get(model).classify(await image.read(), { topK, signal });
        app.metrics.observe(classification);
        return classification;
      }),
  );
}

/** Classifies the image of a request whose body is one. @throws AppError of the image or of the model */
export async function classifyImage(
  request: FastifyRequest,
  query: ClassifyQuery,
  signal: AbortSignal,
): Promise<Classification> {
  const { bytes, topK, model } = await readImageRequest(request, query, signal);
  return request.server.models.get(model).classify(bytes, { topK, signal });
}
