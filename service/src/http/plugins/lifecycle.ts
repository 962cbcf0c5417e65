import { setTimeout as delay } from 'node:timers/promises';
import fp from 'fastify-plugin';

/**
 * How long the port stays open after a shutdown begins, in milliseconds. Closing it resets connections whose request has
 * arrived but has not been read.
 */
const READ_OUT_MS = 250;

/** The state of the app. */
interface Lifecycle {
  /** True once a shutdown begins: the readiness probe fails, connections are not kept alive. */
  readonly closing: boolean;
}

/**
 * A graceful shutdown: `app.close()` fails the readiness probe, then stops accepting. Accepted requests are answered, and
 * each response ends its connection. Also sets X-Request-Id on every response.
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
