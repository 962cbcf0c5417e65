import type { FastifyReply, FastifyRequest } from 'fastify';

/** How long a refused upload may continue before its connection is closed, in milliseconds. */
const LINGER_MS = 5_000;

/**
 * Lets a client that is still sending read the response. Closing at once would reset the connection, and most clients
 * then report a broken pipe instead of the 413 or 401. Discards the rest of the body for a limited time.
 */
export function drainUpload(request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request;
  // `complete` is undefined for injected requests (AWS Lambda): they have no connection.
  if (raw.complete !== false || raw.destroyed) return;
  reply.removeHeader('connection');
  raw.unpipe();
  raw.resume();
  const { socket } = raw;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  raw.once('close', () => clearTimeout(timer));
}
