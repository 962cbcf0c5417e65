import type { FastifyReply } from 'fastify';
import { AppError, isAppError } from '../../domain/errors.ts';
import { abortWithClient } from './client-signal.ts';

/** Longest a request may take from its last byte to its answer, in milliseconds. */
const ANSWER_WITHIN_MS = 60_000;

/**
 * Runs `work` until its answer, the end of the client or the end of its time. One controller and one timer that is
 * cleared: AbortSignal.any and AbortSignal.timeout cost a request most of a millisecond, and live on for the whole minute.
 *
 * @throws AppError OVERLOADED when time is up, REQUEST_CANCELLED when the client has gone
 */
export async function within<T>(reply: FastifyReply, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
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
      throw new AppError('OVERLOADED', 'no answer in time; try again later', {}, { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
