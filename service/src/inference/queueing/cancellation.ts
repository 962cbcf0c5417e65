import { AppError } from '../../domain/errors.ts';

/** The error of a request whose client has disconnected. */
export const cancelled = () => new AppError('REQUEST_CANCELLED', 'the client disconnected');

/** @throws AppError REQUEST_CANCELLED if `signal` has aborted */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled();
}
