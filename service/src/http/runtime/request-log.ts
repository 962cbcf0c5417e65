import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';

/**
 * One line per completed request: method, path, status, time. Never bodies, never headers, and not the query
 * (a key can end up there by mistake). Probes are logged at debug level.
 */
export class RequestLog extends LogController {
  constructor() {
    super({ requestIdLogLabel: 'requestId' });
  }

  override incomingRequest(): void {}

  override routeNotFound(): void {}

  override requestCompleted(
    error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    const { url = '', method } = request;
    const line = {
      method,
      path: url.split('?', 1)[0],
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      ...(error ? { err: error } : {}),
    };
    // A probe gets 503 until the model is ready.
    const isQuiet =
      request.routeOptions.config?.quiet === true && (reply.statusCode < 500 || reply.statusCode === 503);
    request.log[isQuiet ? 'debug' : 'info'](line, 'request');
  }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for routes that are polled: their requests are logged at debug level. */
    quiet?: boolean;
  }
}
