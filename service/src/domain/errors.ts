/**
 * Every failure that a user can meet has a stable code. HTTP statuses (http/errors/status.ts), result rows (batch) and exit
 * statuses (entrypoints) are each derived from it in one place.
 */
export const ERROR_CODES = [
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'HOST_NOT_ALLOWED',
  'ORIGIN_NOT_ALLOWED',
  'UPLOAD_NOT_ALLOWED',
  'NOT_FOUND',
  'MODEL_NOT_FOUND',
  'JOB_NOT_FOUND',
  'OBJECT_NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'REQUEST_TIMEOUT',
  'OBJECT_CHANGED',
  'CONFLICT',
  'IMAGE_TOO_LARGE',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'UNREADABLE_IMAGE',
  'RATE_LIMITED',
  'HEADERS_TOO_LARGE',
  'OVERLOADED',
  'MODEL_NOT_READY',
  'ENGINE_FAILED',
  'WORKER_CRASHED',
  'REQUEST_CANCELLED',
  'STORE_UNAVAILABLE',
  'QUEUE_UNAVAILABLE',
  'INVALID_CONFIGURATION',
  'INVALID_MODEL',
  'PRECISION_UNAVAILABLE',
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Facts for the client; no internals, secrets or image bytes. */
export interface ErrorDetails {
  /** Seconds to wait before a retry (sent as Retry-After). */
  readonly retryAfterSeconds?: number;
  /** Position of the fault in the request or file, e.g. `{ row: 3, column: "petal_width" }`. */
  readonly at?: Readonly<Record<string, string | number>>;
}

/** An expected failure with a stable `code` and a message that says what to do. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AppError';
    this.code = code;
    this.details = details;
  }
}

/** Narrows an unknown thrown value to an AppError of one of `codes` (any code if none is given). */
export function isAppError(error: unknown, ...codes: readonly ErrorCode[]): error is AppError {
  return error instanceof AppError && (codes.length === 0 || codes.includes(error.code));
}
