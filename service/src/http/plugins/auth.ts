import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';

const digest = (text: string) => createHash('sha256').update(text).digest();

/** The key of `x-api-key: <key>` or `Authorization: Bearer <key>`. */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['x-api-key'];
  if (typeof key === 'string' && key !== '') return key;
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
}

/**
 * If keys are configured, every route that is not `public` needs one. All digests are compared in constant time, so the
 * duration reveals neither the characters of a key nor its position in the list.
 */
export const authPlugin = fp<{ readonly keys: readonly string[] }>(
  async (app, { keys }) => {
    if (keys.length === 0) return;
    const digests = keys.map(digest);
    app.addHook('onRequest', async (request, reply) => {
      // An unknown route has nothing to protect.
      if (request.is404 || request.routeOptions.config.public) return;
      const given = keyOf(request);
      const givenDigest = digest(given ?? '');
      const matches = digests.map((known) => timingSafeEqual(known, givenDigest));
      if (given !== undefined && matches.includes(true)) return;
      reply.header('www-authenticate', 'Bearer realm="ml-serverless"');
      throw new AppError('UNAUTHORIZED', 'send an API key in x-api-key or as Authorization: Bearer <key>');
    });
  },
  { name: 'auth' },
);
