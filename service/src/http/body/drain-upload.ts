import type { FastifyReply, FastifyRequest } from 'fastify';

/** How long a refused upload may go on before its connection is cut, in milliseconds. */
const LINGER_MS = 5_000;

/**
 * Lets a client that is still sending read the refusal. Closing at once would reset the connection, and most clients
 * then report a broken pipe instead of the 413 or 401. What still arrives is thrown away, for a bounded time.
 */
export function drainUpload(request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request;
  // `complete` is undefined for injected requests (AWS Lambda): there is no connection to care for.
  if (raw.complete !== false || raw.destroyed) return;
  reply.removeHeader('connection');
  raw.unpipe();
  raw.resume();
  const { socket } = raw;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  raw.once('close', () => clearTimeout(timer));
}
