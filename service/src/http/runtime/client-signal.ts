import type { FastifyReply } from 'fastify';

/**
 * A signal that aborts if the client disconnects before the response is written. Fastify's own `request.signal`
 * listens to the request, which closes as soon as its body has been read.
 */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  abortWithClient(reply, controller);
  return controller.signal;
}

/** Aborts `controller` if the client disconnects before the response is written. */
export function abortWithClient({ raw }: FastifyReply, controller: AbortController): void {
  if (raw.destroyed) controller.abort();
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort();
  });
}
