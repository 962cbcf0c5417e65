import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';
import { hasBody, isForm } from './body-time.ts';

/** The bytes of one request's body, counted against what all requests may hold together. */
interface BodyCount {
  /** False if there is no more room: refuse the body. */
  add(bytes: number): boolean;
  /** Forgets the bytes so far: they are no longer in memory. */
  clear(): void;
}

export const bodiesTooLarge = () =>
  new AppError('OVERLOADED', 'the requests in progress hold too much memory; try again shortly', {
    retryAfterSeconds: 1,
  });

/**
 * Bounds the bytes of request bodies in memory, over all connections: counted as they arrive, released when the response is done.
 * The reader of a form (body/form.ts) counts it through `request.bodyCount`.
 */
export const bodyMemoryPlugin = fp<{ readonly maxBytes: number }>(
  async (app, { maxBytes }) => {
    let used = 0;
    const release = new WeakMap<FastifyRequest, () => void>();
    app.addHook('onRequest', async (request, reply) => {
      if (!hasBody(request)) return;
      // A body larger than the whole budget is accepted if it is the only one.
      const fits = (bytes: number, own: number) => used + bytes <= maxBytes || used === own;
      if (!fits(Number(request.headers['content-length'] ?? 0), 0)) throw bodiesTooLarge();
      let own = 0;
      let ended = false;
      request.bodyCount = {
        add(bytes) {
          // Bytes after the response are discarded.
          if (ended) return true;
          if (!fits(bytes, own)) return false;
          own += bytes;
          used += bytes;
          return true;
        },
        clear() {
          used -= own;
          own = 0;
        },
      };
      const end = () => {
        if (ended) return;
        ended = true;
        request.bodyCount?.clear();
      };
      release.set(request, end);
      reply.raw.once('close', end);
    });
    // Injected requests (AWS Lambda) have no connection that closes.
    app.addHook('onResponse', async (request) => release.get(request)?.());
    // Not async: the parser must listen in the same turn, before the first chunk flows.
    app.addHook('preParsing', (request, _reply, payload, done) => {
      const { bodyCount } = request;
      if (!bodyCount || isForm(request)) return done(null, payload);
      let refused = false;
      payload.on('data', (chunk: Buffer) => {
        // Without a listener no parser collects the bytes, and the error would end the process.
        if (refused || payload.listenerCount('error') === 0 || bodyCount.add(chunk.length)) return;
        refused = true;
        payload.emit('error', bodiesTooLarge());
      });
      done(null, payload);
    });
  },
  { name: 'body-memory' },
);

declare module 'fastify' {
  interface FastifyRequest {
    /** Absent for requests without a body. */
    bodyCount?: BodyCount;
  }
}
