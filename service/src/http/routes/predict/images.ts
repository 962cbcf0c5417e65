import type { FastifyRequest } from 'fastify';
import pLimit from 'p-limit';
import { isAppError } from '../../../domain/errors.ts';
import type { ImageRequest, NamedImage } from '../../body/image-request.ts';
import type { ImageResult, ImageResults } from './schema.ts';

/** Images of one request that are read, decoded or queued at a time; only these count against MAX_QUEUE. */
const IMAGES_AT_ONCE = 8;

/**
 * Classifies each image of a request. One that fails is an entry with its error, and the others go on.
 *
 * @throws AppError MODEL_NOT_FOUND; REQUEST_CANCELLED if the client disconnects or the deadline passes
 */
export async function classifyImages(
  { server }: FastifyRequest,
  { images, topK, model }: ImageRequest,
  signal: AbortSignal,
): Promise<ImageResults> {
  const classifier = server.models.get(model);
  const classify = async ({ name, read }: NamedImage): Promise<ImageResult> => {
    const named = name === undefined ? {} : { name };
    try {
      const classification = await classifier.classify(await read(), { topK, signal });
      server.metrics.observe(classification);
      return { ...named, predictions: classification.predictions, timing: classification.timing };
    } catch (error) {
      if (signal.aborted || !isAppError(error)) throw error;
      return { ...named, error: { code: error.code, message: error.message } };
    }
  };
  const results = await pLimit(IMAGES_AT_ONCE).map(images, classify);
  return { model: classifier.info.name, version: classifier.info.version, results };
}
