import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';
import { shareComponents } from '../openapi/components.ts';
import { completeDocument, DOCUMENT } from '../openapi/document.ts';
import { DOCS_CSP } from './security.ts';

/** The OpenAPI document from the routes' schemas, and Swagger UI at /docs. */
export const documentPlugin = fp(
  async (app) => {
    await app.register(swagger, {
      openapi: DOCUMENT,
      convertConstToEnum: false,
      refResolver: {
        // Components are named after the $id of their schema.
        buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `schema-${index}`),
      },
      transformObject: (document) =>
        'openapiObject' in document ? completeDocument(document.openapiObject) : document.swaggerObject,
    });
    app.addHook('onRoute', (route) => {
      if (route.url.startsWith('/docs')) route.config = { ...route.config, public: true, quiet: true };
    });
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: DOCS_CSP,
      transformSpecification: (document) => shareComponents(document),
      transformSpecificationClone: false,
      uiConfig: {
        docExpansion: 'list',
        tryItOutEnabled: true,
        validatorUrl: null,
        displayRequestDuration: true,
      },
    });
  },
  { name: 'document', dependencies: ['security'] },
);
