import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { AppError } from '../../domain/errors.ts';
import type { Problem } from '../schemas/shared.ts';
import { toProblem } from './handler.ts';

/** Time for a client to close its half of an ended connection, in milliseconds. */
const LINGER_MS = 5_000;

/** Errors of Node's HTTP parser. */
export function toParserError(code: string | undefined): AppError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('HEADERS_TOO_LARGE', 'the URL and headers together are too long');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new AppError('PAYLOAD_TOO_LARGE', 'the chunk extensions are too long');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('REQUEST_TIMEOUT', 'the request did not arrive in time; send it again');
    default:
      return new AppError('INVALID_REQUEST', 'this is not a valid HTTP request');
  }
}

/** Answers a request that could not be parsed with a problem, directly on the socket. */
export function handleClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  answerOnSocket(socket, toProblem(toParserError(error.code), randomUUID()));
}

/** Writes a problem directly to the socket and ends the connection. */
export function answerOnSocket(socket: Socket, problem: Problem): void {
  const body = JSON.stringify(problem);
  // The client may keep its half open and continue to send.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${problem.requestId}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
