import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { answerOnSocket, toParserError } from '../errors/client-error.ts';
import { toProblem } from '../errors/handler.ts';

/** Bodies that may arrive at once for as long as the timeout allows; of more, the oldest have CROWDED_MS only. */
const MAX_ARRIVING = 1024;
const CROWDED_MS = 5_000;
const SWEEP_MS = 500;

interface Arrival {
  /** Milliseconds of performance.now(). */
  readonly since: number;
  readonly expire: () => void;
}

/**
 * Bounds the time that a body takes to arrive. Node's own requestTimeout does not tell the reader of the body, which
 * would keep what it has until the connection is gone. Connections are bounded, so many stalled bodies would keep other
 * clients out: in a crowd the oldest bodies make room.
 */
export const bodyTimePlugin = fp<{ readonly timeoutMs: number }>(
  async (app, { timeoutMs }) => {
    /** Oldest first. */
    const arriving = new Set<Arrival>();
    const expired = new WeakSet<FastifyRequest>();

    /** Answers 408 and ends the connection; the rest of the body is discarded. */
    function expire(request: FastifyRequest, reply: FastifyReply): void {
      const { raw } = request;
      if (raw.complete || raw.destroyed) return;
      const error = toParserError('ERR_HTTP_REQUEST_TIMEOUT');
      expired.add(request);
      // The reader of the body passes the error to the error handler, which sends the answer.
      if (raw.listenerCount('error') > 0) {
        raw.emit('error', error);
        return;
      }
      // A response has no socket while another on its connection comes first.
      if (reply.raw.headersSent || !reply.raw.socket?.writable) {
        raw.destroy();
        return;
      }
      request.log.info({ code: error.code, detail: error.message }, 'request refused');
      answerOnSocket(raw.socket, toProblem(error, request.id));
      raw.unpipe();
      raw.resume();
    }

    const sweep = () => {
      const now = performance.now();
      let excess = arriving.size - MAX_ARRIVING;
      for (const { since, expire } of arriving) {
        if (now - since > (excess > 0 ? Math.min(CROWDED_MS, timeoutMs) : timeoutMs)) expire();
        excess--;
      }
    };
    // In setImmediate, so that what arrived while the process was busy is read first.
    const timer = setInterval(() => setImmediate(sweep), Math.min(SWEEP_MS, timeoutMs)).unref();
    app.addHook('onClose', async () => clearInterval(timer));

    app.addHook('onRequest', async (request, reply) => {
      const { raw } = request;
      // Injected requests (AWS Lambda) are complete from the start.
      if (raw.complete !== false || !hasBody(request)) return;
      const arrival = { since: performance.now(), expire: () => expire(request, reply) };
      arriving.add(arrival);
      for (const event of ['end', 'close']) raw.once(event, () => arriving.delete(arrival));
    });
    // The body completed after the 408 was sent; do not run the handler.
    app.addHook('preHandler', async (request) => {
      if (expired.has(request)) throw toParserError('ERR_HTTP_REQUEST_TIMEOUT');
    });
  },
  { name: 'body-time' },
);

/** True if a body follows the headers. */
export const hasBody = ({ headers }: FastifyRequest) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** Works before the body's parser has run, unlike request.isMultipart. */
export const isForm = ({ headers }: FastifyRequest) =>
  /^multipart\/form-data\b/i.test(headers['content-type'] ?? '');
