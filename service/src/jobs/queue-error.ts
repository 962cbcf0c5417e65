import { AppError } from '../domain/errors.ts';

/**
 * An error of an AWS queue as QUEUE_UNAVAILABLE. The message goes to clients and names the kind of error only; AWS's
 * own text may hold a role's ARN: it is the cause, for the log.
 *
 * @param service as users know it, e.g. `AWS Batch`
 */
export function toQueueError(error: unknown, service: string): AppError {
  if (error instanceof AppError) return error;
  const { name, code } = error as Error & { readonly code?: unknown };
  const kind = typeof code === 'string' ? code : name;
  return new AppError('QUEUE_UNAVAILABLE', `${service} cannot be used (${kind})`, {}, { cause: error });
}
