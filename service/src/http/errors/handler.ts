import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, type ErrorCode } from '../../domain/errors.ts';
import { drainUpload } from '../body/drain-upload.ts';
import type { Problem } from '../schemas/shared.ts';
import { STATUS_OF } from './status.ts';

/** Errors of the framework: our code, and our detail if the framework's is not clear. */
const FRAMEWORK_CODES: Readonly<Record<string, readonly [ErrorCode, string?]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['PAYLOAD_TOO_LARGE', 'the body is larger than this server accepts'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'the Content-Type is not supported'],
  FST_ERR_CTP_EMPTY_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'set the Content-Type of the body'],
  FST_ERR_CTP_INVALID_TYPE: ['UNSUPPORTED_MEDIA_TYPE'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['INVALID_REQUEST', 'the body is empty; send a JSON object'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['INVALID_REQUEST', 'the body is not valid JSON'],
  FST_ERR_BAD_URL: ['INVALID_REQUEST', 'the URL is not validly percent-encoded'],
  FST_ERR_MAX_PARAM_LENGTH: ['INVALID_REQUEST', 'a part of the path is too long'],
  // @fastify/multipart answers 406 or 413 for these; each of them is a malformed request.
  FST_FILES_LIMIT: ['INVALID_REQUEST', 'the form has more than one file part; send exactly one image'],
  FST_FIELDS_LIMIT: ['INVALID_REQUEST', 'the form has too many fields'],
  FST_PARTS_LIMIT: ['INVALID_REQUEST', 'the form has too many parts'],
  FST_INVALID_MULTIPART_CONTENT_TYPE: ['INVALID_REQUEST', 'the Content-Type needs a multipart boundary'],
  FST_INVALID_JSON_FIELD_ERROR: ['INVALID_REQUEST', 'a field of the form is not valid JSON'],
  FST_PROTO_VIOLATION: ['INVALID_REQUEST', 'a part of the form has a name that is not allowed'],
  FST_MP_PREMATURE_CLOSE: ['INVALID_REQUEST', 'the body ended before the form did'],
};

/** Statuses that carry Retry-After. */
const RETRYABLE = new Set([429, 503]);
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** Any thrown value as an AppError. An unknown one becomes INTERNAL and keeps its cause for the log. */
function toAppError(error: unknown, tooLarge: (() => AppError) | undefined): AppError {
  if (error instanceof AppError) return error;
  const fault = error as Partial<FastifyError>;
  if (tooLarge && fault.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge();
  const known = fault.code ? FRAMEWORK_CODES[fault.code] : undefined;
  if (known) return new AppError(known[0], known[1] ?? fault.message ?? known[0], {}, { cause: error });
  if (
    fault.validation !== undefined ||
    (fault.statusCode && fault.statusCode < 500 && fault.statusCode >= 400)
  ) {
    return new AppError('INVALID_REQUEST', fault.message ?? 'the request is invalid', {}, { cause: error });
  }
  return new AppError('INTERNAL', 'internal error; see the log', {}, { cause: error });
}

/** The RFC 9457 problem of an error. A status of 500 reveals only its code and the request's id. */
export function toProblem(error: AppError, requestId: string): Problem {
  const status = STATUS_OF[error.code];
  const { retryAfterSeconds, at } = error.details;
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Client Closed Request',
    status,
    detail: status === 500 ? 'internal error; see the log under this requestId' : error.message,
    code: error.code,
    requestId,
    ...(status !== 500 && at ? { at: { ...at } } : {}),
    ...(RETRYABLE.has(status) ? { retryAfterSeconds: retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS } : {}),
  };
}

/** Answers any error with its problem. Logs our own faults with their cause, the client's with their code. */
export function handleError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = toAppError(thrown, request.routeOptions.config?.tooLarge);
  const problem = { ...toProblem(error, request.id), ...openInferenceMember(error, request) };
  if (isExpected(error, request)) request.log.debug({ code: error.code }, error.message);
  else if (problem.status >= 500)
    request.log.error({ err: error.cause ?? error, code: error.code }, error.message);
  else request.log.info({ code: error.code, ...loggable(error) }, 'request refused');
  drainUpload(request, reply);
  sendProblem(reply, problem);
}

/** A probe before the model is loaded, or during shutdown, is not a fault. */
function isExpected({ code }: AppError, request: FastifyRequest): boolean {
  return code === 'MODEL_NOT_READY' && request.routeOptions.config?.quiet === true;
}

/** Errors of the Open Inference Protocol are `{ "error": text }`; its routes send both forms. */
function openInferenceMember(error: AppError, request: FastifyRequest): { readonly error?: string } {
  if (!request.routeOptions.config?.openInference) return {};
  return { error: STATUS_OF[error.code] === 500 ? 'internal error' : error.message };
}

/** A schema error repeats names from the request, which may contain a key by mistake: do not log it. */
function loggable(error: AppError): { readonly detail?: string } {
  const isFinding = (error.cause as Partial<FastifyError> | undefined)?.validation !== undefined;
  return isFinding ? {} : { detail: error.message };
}

/** Writes a problem, with the headers that belong to its status. */
function sendProblem(reply: FastifyReply, problem: Problem): void {
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
  reply
    .code(problem.status)
    .type('application/problem+json')
    // The route's serializer would drop members that its schema does not have.
    .serializer(JSON.stringify)
    .send(problem);
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for routes that need no API key. */
    public?: boolean;
    /** True for routes of the Open Inference Protocol. */
    openInference?: boolean;
  }
}
