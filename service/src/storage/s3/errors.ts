import { AppError } from '../../domain/errors.ts';
import { withoutIdentifiers } from '../../domain/redact.ts';

interface ServiceFault {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** What was being done, which decides what a failed condition means. */
export type S3Operation = 'read' | 'write' | 'list' | 'delete';

/**
 * Translates what the SDK throws. Only absence and failed conditions say something about the object; everything else,
 * missing permission included, says that the store cannot be used now, so that work is retried and never recorded as done.
 */
export function toAppError(error: unknown, operation: S3Operation, what: string): unknown {
  if (error instanceof AppError) return error;
  const fault = error as ServiceFault;
  const status = fault.$metadata?.httpStatusCode;
  const object = JSON.stringify(what);
  switch (fault.name) {
    case 'NoSuchKey':
    case 'NotFound':
      return new AppError(
        'OBJECT_NOT_FOUND',
        `there is no object ${object} in the store`,
        {},
        { cause: error },
      );
    case 'InvalidObjectState':
      return new AppError(
        'OBJECT_NOT_FOUND',
        `the object ${object} is archived; restore it first`,
        {},
        { cause: error },
      );
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
    return new AppError(
      'OBJECT_NOT_FOUND',
      `there is no object ${object} in the store`,
      {},
      { cause: error },
    );
  }
  if (status === 412) return conditionFailed(operation, object, error);
  return unavailable(
    `${fault.name ?? 'error'}${status ? ` (HTTP ${status})` : ''}: ${firstLine(fault)}`,
    error,
  );
}

function conditionFailed(operation: S3Operation, object: string, cause: unknown): AppError {
  return operation === 'read'
    ? new AppError('OBJECT_CHANGED', `the object ${object} was replaced in the meantime`, {}, { cause })
    : new AppError('CONFLICT', `there is an object ${object} already`, {}, { cause });
}

function unavailable(reason: string, cause: unknown): AppError {
  return new AppError('STORE_UNAVAILABLE', `the object store cannot be used: ${reason}`, {}, { cause });
}

function firstLine(fault: ServiceFault): string {
  const [line = ''] = (fault.message || fault.code || 'no reason given').split('\n', 1);
  return withoutIdentifiers(line);
}

/** True for a body that broke off or stood still while it was read: worth another try, which the SDK leaves to its user. */
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
