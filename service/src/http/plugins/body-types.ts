import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';
import { mediaTypeOf } from '../body/tabular-body.ts';

/** Whether one of the declared types (`image/*` stands for a family) is the request's. */
function takes(types: readonly string[], given: string): boolean {
  return types.some((type) =>
    type.endsWith('/*') ? given.startsWith(type.slice(0, -1)) : type.toLowerCase() === given,
  );
}

/**
 * Holds each route to the body types that its schema declares. Parsers belong to the app, not to a route: without this a
 * form reaches a route that takes JSON, and a request without a body any route, unchecked.
 */
export const bodyTypesPlugin = fp(
  async (app) => {
    app.addHook('preValidation', async (request) => {
      const content = (request.routeOptions.schema?.body as { content?: object } | undefined)?.content;
      if (!content) return;
      const types = Object.keys(content);
      const type = mediaTypeOf(request);
      if (type !== '' && !takes(types, type)) {
        const message = `send the body with one of these as its Content-Type: ${types.join(', ')}`;
        throw new AppError('UNSUPPORTED_MEDIA_TYPE', message);
      }
      // A form is read by its route.
      if (type === '' || (request.body === undefined && !request.isMultipart())) {
        throw new AppError('INVALID_REQUEST', `the request has no body; send one of: ${types.join(', ')}`);
      }
    });
  },
  { name: 'body-types' },
);
