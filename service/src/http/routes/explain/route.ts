import { Type } from 'typebox';
import type { Explanation } from '../../../domain/classifier.ts';
import type { App } from '../../app-type.ts';
import { readImageRequest } from '../../body/image-request.ts';
import { imageTooLarge } from '../../errors/too-large.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { MODEL_PROBLEMS, problems } from '../../schemas/shared.ts';
import { ImageBody } from '../predict/schema.ts';
import { drawHeatMap } from './heat-map.ts';
import { ExplainQuery, ExplanationResponse, HeatMap } from './schema.ts';

/** POST /explain: one image in, the evidence for a class by region out. Needs addBodyParsers and @fastify/accepts. */
export function explainRoutes(app: App): void {
  app.addSchema(ExplanationResponse);
  app.post(
    '/explain',
    {
      config: { tooLarge: () => imageTooLarge(app.config.maxUploadBytes) },
      schema: {
        operationId: 'explain',
        summary: 'Explain a classification',
        description:
          'The regions of the image that support a class: its class activation map (Zhou et al., 2016), as a grid or as a heat map to overlay on the image. Takes an image as POST /predict does. For networks that end in global average pooling and one dense layer.',
        tags: ['predict'],
        querystring: ExplainQuery,
        body: ImageBody,
        response: {
          200: {
            description: 'The evidence for one class by region',
            content: {
              'application/json': { schema: Type.Unsafe<Explanation>({ $ref: 'Explanation#' }) },
              'image/png': { schema: HeatMap },
            },
          },
          ...problems(...MODEL_PROBLEMS, 'PAYLOAD_TOO_LARGE'),
        },
      },
    },
    async (request, reply) => {
      const { index, format, model: name } = request.query;
      const explanation = await withDeadline(reply, async (signal) => {
        const query = name === undefined ? {} : { model: name };
        const { bytes, model } = await readImageRequest(request, query, signal);
        return app.models.get(model).explain(bytes, { signal, ...(index === undefined ? {} : { index }) });
      });
      reply.header('vary', 'accept');
      const asPng = (format ?? request.accepts().type(['json', 'png'])) === 'png';
      if (!asPng) return explanation;
      return reply.type('image/png').send(await drawHeatMap(explanation));
    },
  );
}
