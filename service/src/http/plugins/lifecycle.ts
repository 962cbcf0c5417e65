import { setTimeout as delay } from 'node:timers/promises';
import fp from 'fastify-plugin';

/**
 * How long the port stays open once a shutdown has begun, in milliseconds. Closing it also cuts connections on which no
 * request has been read yet; without this wait, requests that have arrived but were not read are reset.
 */
const READ_OUT_MS = 250;

/** Where the app is in its life. */
interface Lifecycle {
  /** True from the moment a shutdown begins: ready says no, connections are not kept alive. */
  readonly closing: boolean;
}

/**
 * A graceful end: `app.close()` says so at /health/ready, soon stops accepting, everything accepted is answered, and each answer ends its connection,
 * so that no idle one keeps the process. Also puts the request's id on every answer.
 */
export const lifecyclePlugin = fp(
  async (app) => {
    const lifecycle = { closing: false };
    app.decorate('lifecycle', lifecycle as Lifecycle);
    app.addHook('preClose', async () => {
      lifecycle.closing = true;
      if (app.server.listening) await delay(READ_OUT_MS);
    });
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id);
    });
    app.addHook('onSend', async (_request, reply) => {
      if (lifecycle.closing) reply.header('connection', 'close');
    });
  },
  { name: 'lifecycle' },
);

declare module 'fastify' {
  interface FastifyInstance {
    lifecycle: Lifecycle;
  }
}
