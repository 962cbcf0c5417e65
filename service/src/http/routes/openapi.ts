import { Type } from 'typebox';
import type { App } from '../app-type.ts';
import { shareComponents } from '../openapi/components.ts';
import { problems } from '../schemas/shared.ts';

/** GET /openapi.json: the same document as openapi.yaml. */
export function openapiRoutes(app: App): void {
  let document: object | undefined;
  app.get(
    '/openapi.json',
    {
      config: { public: true },
      schema: {
        operationId: 'getOpenapi',
        summary: 'Get this document',
        description: 'The OpenAPI document of this service. GET /docs shows it as a page.',
        tags: ['docs'],
        security: [],
        response: {
          200: {
            description: 'OpenAPI 3.1',
            content: { 'application/json': { schema: Type.Object({}, { additionalProperties: true }) } },
          },
          ...problems(),
        },
      },
    },
    async () => {
      document ??= shareComponents(app.swagger());
      return document;
    },
  );
}
