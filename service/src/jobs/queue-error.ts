import { AppError } from '../domain/errors.ts';

/**
 * Wraps an error of an AWS queue. Clients see the message, which names only the kind of error; AWS's own text may contain
 * a role's ARN and is the cause, for the log.
 *
 * @param service e.g. `AWS Batch`
 */
export function toQueueError(error: unknown, service: string): AppError {
  if (error instanceof AppError) return error;
  const { name, code } = error as Error & { readonly code?: unknown };
  const kind = typeof code === 'string' ? code : name;
  return new AppError('QUEUE_UNAVAILABLE', `${service} is unavailable (${kind})`, {}, { cause: error });
}
