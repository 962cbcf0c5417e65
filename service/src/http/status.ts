import type { ErrorCode } from '../domain/errors.ts';

/** The one place where an error code becomes an HTTP status. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  MODEL_NOT_FOUND: 404,
  JOB_NOT_FOUND: 404,
  OBJECT_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  OBJECT_CHANGED: 409,
  CONFLICT: 409,
  IMAGE_TOO_LARGE: 413,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  UNREADABLE_IMAGE: 422,
  RATE_LIMITED: 429,
  HEADERS_TOO_LARGE: 431,
  // Nobody is there to read it; 499 is what nginx writes into its log for a client that hung up.
  REQUEST_CANCELLED: 499,
  // Only in rows of a job.
  WORKER_CRASHED: 500,
  INVALID_CONFIGURATION: 500,
  INVALID_MODEL: 500,
  PRECISION_UNAVAILABLE: 500,
  INTERNAL: 500,
  OVERLOADED: 503,
  MODEL_NOT_READY: 503,
  ENGINE_FAILED: 503,
  STORE_UNAVAILABLE: 503,
  QUEUE_UNAVAILABLE: 503,
};
