import pLimit from 'p-limit';
import { Type } from 'typebox';
import { createFirstInputs, type FirstInputs } from '../../../batch/first-inputs.ts';
import { AppError } from '../../../domain/errors.ts';
import type { App } from '../../app-type.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { BatchJobParams } from '../batch/schema.ts';

/** Thumbnails made at a time: the other threads of the pool are for images to classify. */
const CONCURRENCY = 2;
const MAX_WAITING = 64;
/** Seconds. A thumbnail never changes, because a job pins the versions of its inputs. */
const MAX_AGE = 86_400;

/** GET /batch/{jobId}/thumbnail: a small picture of one of the first inputs of a job. */
export function thumbnailRoutes(app: App, { config, objects, thumbnail }: Services): void {
  const limit = pLimit(CONCURRENCY);
  const firstInputs: FirstInputs | undefined = objects && createFirstInputs(objects);

  app.get(
    '/batch/:jobId/thumbnail',
    {
      config: { quiet: true },
      schema: {
        operationId: 'getBatchThumbnail',
        summary: 'Get a thumbnail of an input',
        description:
          'A WebP of at most 192 pixels on its longest side, for one of the first 1,000 inputs of the job. Cacheable.',
        tags: ['batch'],
        params: BatchJobParams,
        querystring: Type.Object(
          {
            key: Type.String({
              minLength: 1,
              maxLength: 1024,
              description: 'Key of the input, as in its row',
            }),
          },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'The thumbnail',
            content: { 'image/webp': { schema: Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }) } },
          },
          ...problems(
            'UNAUTHORIZED',
            'JOB_NOT_FOUND',
            'OBJECT_NOT_FOUND',
            'OBJECT_CHANGED',
            'IMAGE_TOO_LARGE',
            'UNREADABLE_IMAGE',
            'OVERLOADED',
            'STORE_UNAVAILABLE',
          ),
        },
      },
    },
    async ({ params, query }, reply) => {
      if (!objects || !firstInputs || !thumbnail) {
        throw new AppError('INVALID_REQUEST', 'no object store is configured here; thumbnails need one');
      }
      if (limit.pendingCount >= MAX_WAITING) {
        throw new AppError('OVERLOADED', 'too many thumbnails are waiting', { retryAfterSeconds: 1 });
      }
      const image = await withDeadline(reply, (signal) =>
        limit(async () => {
          if (signal.aborted) throw new AppError('REQUEST_CANCELLED', 'the client disconnected');
          const { key, etag } = await firstInputs.find(params.jobId, query.key);
          const pinned = etag === undefined ? {} : { etag };
          return thumbnail(await objects.get(key, { ...pinned, maxBytes: config.MAX_IMAGE_BYTES }));
        }),
      );
      return reply
        .type('image/webp')
        .header('cache-control', `private, max-age=${MAX_AGE}, immutable`)
        .send(image);
    },
  );
}
