import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';
import { hasBody } from './body-time.ts';

/** True if one of the declared types (`image/*` matches every image type) is `type`. */
function accepts(types: readonly string[], type: string): boolean {
  return types.some((declared) =>
    declared.endsWith('/*') ? type.startsWith(declared.slice(0, -1)) : declared === type,
  );
}

/**
 * Refuses a body whose type the route's schema does not declare, before it is read. Parsers belong to a scope, not to a
 * route: without this, a form would reach a route that takes JSON, and a request without a body any route, unchecked.
 */
export const bodyTypesPlugin = fp(
  async (app) => {
    app.addHook('onRequest', async (request) => {
      const { content } = (request.routeOptions.schema?.body ?? {}) as { readonly content?: object };
      if (!content) return;
      const types = Object.keys(content);
      if (request.mediaType !== undefined && accepts(types, request.mediaType)) return;
      if (request.headers['content-type'] === undefined && !hasBody(request)) {
        throw new AppError('INVALID_REQUEST', `the request has no body; send one of: ${types.join(', ')}`);
      }
      const message = `set the Content-Type of the body to one of: ${types.join(', ')}`;
      throw new AppError('UNSUPPORTED_MEDIA_TYPE', message);
    });
  },
  { name: 'body-types' },
);
