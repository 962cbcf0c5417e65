import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';

/**
 * A hook that runs before the body is read: with BATCH_REQUESTS=off, the request gets METHOD_NOT_ALLOWED.
 *
 * @param allow the methods that the path still supports
 */
export const refuseWritesIfOff =
  (allow: string) =>
  async ({ server }: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (server.config.BATCH_REQUESTS === 'on') return;
    reply.header('allow', allow);
    throw new AppError(
      'METHOD_NOT_ALLOWED',
      'requests cannot upload images, or create or cancel jobs (BATCH_REQUESTS=off); put the images under input/ of the store',
    );
  };
