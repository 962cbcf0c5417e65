import { AppError } from '../../domain/errors.ts';
import { withoutIdentifiers } from '../../domain/redact.ts';

interface ServiceFault {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Decides what a failed condition means. */
export type S3Operation = 'read' | 'write' | 'list' | 'delete';

/** Runs `action` and maps the errors of the SDK. @param key or prefix, for the message */
export async function mapErrors<T>(
  operation: S3Operation,
  key: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toAppError(error, operation, key);
  }
}

/**
 * Maps an error of the SDK to an AppError; AppErrors and aborts stay as they are. Absence and failed conditions are
 * facts about the object. Everything else, a missing permission included, is STORE_UNAVAILABLE, so that the work is
 * retried and never recorded as done.
 */
export function toAppError(error: unknown, operation: S3Operation, key: string): unknown {
  if (error instanceof AppError) return error;
  const fault = error as ServiceFault;
  const status = fault.$metadata?.httpStatusCode;
  const object = JSON.stringify(key);
  switch (fault.name) {
    case 'NoSuchKey':
    case 'NotFound':
      return notFound(`there is no object ${object} in the store`, error);
    case 'InvalidObjectState':
      return notFound(`the object ${object} is archived; restore it first`, error);
    case 'PreconditionFailed':
      return conditionFailed(operation, object, error);
    case 'NoSuchBucket':
      return unavailable('the bucket does not exist; create it or correct STORE', error);
    case 'AccessDenied':
    case 'Forbidden':
      return unavailable(
        `access to ${object} is denied; check the credentials and the bucket's policy`,
        error,
      );
    case 'AbortError':
      return error;
  }
  if (status === 404 && operation === 'read') {
    return notFound(`there is no object ${object} in the store`, error);
  }
  if (status === 412) return conditionFailed(operation, object, error);
  return unavailable(
    `${fault.name ?? 'error'}${status ? ` (HTTP ${status})` : ''}: ${firstLine(fault)}`,
    error,
  );
}

function notFound(message: string, cause: unknown): AppError {
  return new AppError('OBJECT_NOT_FOUND', message, {}, { cause });
}

function conditionFailed(operation: S3Operation, object: string, cause: unknown): AppError {
  return operation === 'read'
    ? new AppError('OBJECT_CHANGED', `the object ${object} was replaced in the meantime`, {}, { cause })
    : new AppError('CONFLICT', `the object ${object} already exists`, {}, { cause });
}

function unavailable(reason: string, cause: unknown): AppError {
  return new AppError('STORE_UNAVAILABLE', `the object store cannot be used: ${reason}`, {}, { cause });
}

function firstLine(fault: ServiceFault): string {
  const [line = ''] = (fault.message || fault.code || 'no reason given').split('\n', 1);
  return withoutIdentifiers(line);
}

/** Of two conditional writes at the same time, S3 asks one to retry, to find out what became of the other. */
export function isConditionalConflict(error: unknown): boolean {
  return (error as ServiceFault).$metadata?.httpStatusCode === 409;
}

/** The body was cut off or stalled. The SDK retries requests, but not the reading of their bodies. */
export function isBrokenBody(error: unknown): boolean {
  const { code, name, $metadata } = error as ServiceFault;
  if ($metadata?.httpStatusCode !== undefined && $metadata.httpStatusCode >= 300) return false;
  return (
    name === 'TimeoutError' ||
    name === 'IncompleteBody' ||
    ['ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code ?? '') ||
    (error instanceof Error && error.message === 'aborted')
  );
}
