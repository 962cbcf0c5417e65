import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { AppError } from '../../domain/errors.ts';
import { answerOnSocket, toParserError } from '../errors/client-error.ts';
import { toProblem } from '../errors/handler.ts';

/** How long bodies may take to arrive, in milliseconds. */
export interface BodyTimes {
  /** A whole body; of an upload, the longest time in which less than MIN_BYTES_PER_SECOND may come. */
  readonly requestMs: number;
  /** A whole upload, however fast it is. */
  readonly uploadMs: number;
  /** Largest file of an upload, in bytes. */
  readonly maxFileBytes: number;
}

/** About what the slowest mobile networks bring. */
const MIN_BYTES_PER_SECOND = 1024;
/** What the files of slow uploads may take together, in bytes: each upload holds the file that is arriving. */
const UPLOAD_BYTES = 512 * 1024 * 1024;
/** Uploads at once, as many as that allows. */
const LEAST_UPLOADS = 4;
const MOST_UPLOADS = 64;

/** Bodies that may arrive at once for as long as they may take. Beyond it, the oldest ones make room for other clients. */
const MAX_ARRIVING = 1024;
/** How long a body may take when more than MAX_ARRIVING arrive, in milliseconds. */
const CROWDED_MS = 5_000;
const CROWD_CHECK_MS = 1_000;

/**
 * Bounds the time that a body takes to arrive. Node has one bound for all requests; here a form of many files may take long on a
 * slow line, as long as it gets on, and everything else must be there soon.
 */
export const bodyTimePlugin = fp<BodyTimes>(
  async (app, { requestMs, uploadMs, maxFileBytes }) => {
    const room = Math.floor(UPLOAD_BYTES / maxFileBytes);
    const maxUploads = Math.min(MOST_UPLOADS, Math.max(LEAST_UPLOADS, room));
    let uploads = 0;
    /** Oldest first. */
    const arriving = new Set<Arrival>();
    const expired = new WeakSet<FastifyRequest>();

    /** Answers 408 and ends the connection; what still comes is thrown away. */
    function expire(request: FastifyRequest, reply: FastifyReply): void {
      const { raw } = request;
      if (raw.complete || raw.destroyed) return;
      const error = toParserError('ERR_HTTP_REQUEST_TIMEOUT');
      expired.add(request);
      // Whoever reads the body passes it on to the error handler, which answers in turn and lets go of what came.
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

    // Connections are bounded: without this, that many stalled bodies would keep everybody else out for `requestMs`.
    const crowdTimer = setInterval(() => {
      for (const arrival of overdue(arriving, Date.now())) arrival.expire();
    }, CROWD_CHECK_MS).unref();
    app.addHook('onClose', async () => clearInterval(crowdTimer));

    app.addHook('onRequest', async (request, reply) => {
      const { raw } = request;
      // Injected requests (AWS Lambda) are there as a whole, and so are those without a body.
      if (raw.complete !== false || !hasBody(request)) return;
      // Uploads do not count: they may take long, and have a bound of their own.
      if (!isUpload(request)) {
        const arrival = { since: Date.now(), expire: () => expire(request, reply) };
        arriving.add(arrival);
        // 'close' comes once the answer is sent; a body that is complete no longer counts.
        for (const event of ['end', 'close']) raw.once(event, () => arriving.delete(arrival));
        const timer = later(requestMs, () => expire(request, reply));
        raw.once('close', () => clearTimeout(timer));
        return;
      }
      if (uploads >= maxUploads) {
        const message = `${maxUploads} uploads are under way already; try again shortly`;
        throw new AppError('OVERLOADED', message, { retryAfterSeconds: 5 });
      }
      uploads++;
      const stopWatching = watchPace(request, requestMs, () => expire(request, reply));
      const timer = later(uploadMs, () => expire(request, reply));
      raw.once('close', () => {
        uploads--;
        stopWatching();
        clearTimeout(timer);
      });
    });
    // Its last bytes came after it was refused: it must not be done all the same.
    app.addHook('preHandler', async (request) => {
      if (expired.has(request)) throw toParserError('ERR_HTTP_REQUEST_TIMEOUT');
    });
  },
  { name: 'body-time' },
);

interface Arrival {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly expire: () => void;
}

/** The oldest of the arrivals beyond MAX_ARRIVING, as far as they have had CROWDED_MS. */
function overdue(arriving: ReadonlySet<Arrival>, now: number): readonly Arrival[] {
  const excess = Math.max(0, arriving.size - MAX_ARRIVING);
  return [...arriving].slice(0, excess).filter(({ since }) => now - since > CROWDED_MS);
}

/** True when a body follows the headers. */
export const hasBody = ({ headers }: FastifyRequest) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** Also before the body's parser has run, unlike request.isMultipart. */
export const isForm = ({ headers }: FastifyRequest) =>
  /^multipart\/form-data\b/i.test(headers['content-type'] ?? '');

const isUpload = (request: FastifyRequest) =>
  request.routeOptions.config.takesUploads === true && isForm(request);

/** As setTimeout, but what arrived while the process was busy is read first; keeps no process alive. */
function later(milliseconds: number, act: () => void): NodeJS.Timeout {
  return setTimeout(() => setImmediate(act), milliseconds).unref();
}

/** Calls `onStall` when less than the least pace came in one of the windows. @returns how to stop it */
function watchPace({ raw }: FastifyRequest, windowMs: number, onStall: () => void): () => void {
  const least = (windowMs / 1000) * MIN_BYTES_PER_SECOND;
  let before = raw.socket.bytesRead;
  let timer: NodeJS.Timeout;
  const look = () => {
    const { bytesRead } = raw.socket;
    // Bytes that nobody has read yet wait for us, a slow store for example: not the client's fault.
    if (bytesRead - before < least && raw.readableLength === 0) return onStall();
    before = bytesRead;
    timer = later(windowMs, look);
  };
  timer = later(windowMs, look);
  return () => clearTimeout(timer);
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for routes whose forms may take long to arrive. */
    takesUploads?: boolean;
  }
}
