import type { FastifyReply } from 'fastify';
import { AppError, isAppError } from '../../domain/errors.ts';
import { abortWithClient } from './client-signal.ts';

/** Longest a request may take from its last byte to its answer, in milliseconds. */
const ANSWER_WITHIN_MS = 60_000;

/**
 * Runs `work` with a deadline; aborts it on timeout or client disconnect. AbortSignal.any and AbortSignal.timeout would
 * cost each request most of a millisecond and stay alive for the whole minute; one controller and one timer do not.
 *
 * @throws AppError OVERLOADED on timeout, REQUEST_CANCELLED if the client disconnected
 */
export async function withDeadline<T>(
  reply: FastifyReply,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  abortWithClient(reply, controller);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    controller.abort();
  }, ANSWER_WITHIN_MS);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (late && isAppError(error, 'REQUEST_CANCELLED')) {
      throw new AppError('OVERLOADED', 'no result within 60 s; try again later', {}, { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
