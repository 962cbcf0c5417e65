import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';

/** A route's URL (`/batch/:jobId`, `/docs/static/*`) as a pattern over paths. */
function patternOf(url: string): RegExp {
  const source = url
    .split('/')
    .map((part) => {
      if (part.startsWith(':')) return '[^/]+';
      return part === '*' ? '.*' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('/');
  return new RegExp(`^${source}/?$`);
}

/** 404 for an unknown path; 405 with Allow for a known path and another method. */
export const notFoundPlugin = fp(
  async (app) => {
    const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Map<string, boolean> }>();
    app.addHook('onRoute', ({ url, method, schema }) => {
      // The preflight route of @fastify/cors matches every path.
      if (url === '*' || url === '/*') return;
      const route = routes.get(url) ?? { pattern: patternOf(url), methods: new Map<string, boolean>() };
      for (const name of [method].flat()) route.methods.set(name, schema?.hide !== true);
      routes.set(url, route);
    });
    const refuse = (request: FastifyRequest, reply: FastifyReply) => {
      const path = request.url.split('?', 1)[0] ?? '';
      const found = [...routes.values()].flatMap(({ pattern, methods }) =>
        pattern.test(path) ? [...methods] : [],
      );
      if (found.length === 0) {
        throw new AppError('NOT_FOUND', 'unknown route; GET /docs lists all routes');
      }
      // The document does not list hidden methods; PUT /uploads is named by the URL that POST returns.
      const documented = found.filter(([, isDocumented]) => isDocumented);
      const allowed = new Set((documented.length > 0 ? documented : found).map(([name]) => name));
      const allow = [...allowed].sort().join(', ');
      reply.header('allow', allow);
      throw new AppError('METHOD_NOT_ALLOWED', `this route supports ${allow} only`);
    };
    // Before the body is parsed: its errors must not hide a 404 or 405 (Fastify refuses QUERY without a type).
    app.addHook('onRequest', async (request, reply) => {
      if (request.is404) refuse(request, reply);
    });
    app.setNotFoundHandler(async (request, reply) => refuse(request, reply));
  },
  { name: 'not-found' },
);
