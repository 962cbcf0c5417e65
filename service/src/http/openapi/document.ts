import { STATUS_CODES } from 'node:http';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { ERROR_CODES, type ErrorCode } from '../../domain/errors.ts';
import { STATUS_OF } from '../errors/status.ts';
import { EXAMPLES } from './examples.ts';

type Document = NonNullable<FastifyDynamicSwaggerOptions['openapi']>;

/** The parts of the document that do not come from routes. */
export const DOCUMENT: Document = {
  openapi: '3.1.0',
  info: {
    title: 'ml-serverless',
    // The version of the API, not of the package.
    version: '1.0.0',
    summary: 'Classifies images, one at a time or by the million',
    description:
      'Image classification over HTTP. Errors are RFC 9457 problem details whose `code` is stable; every response carries an X-Request-Id.',
    license: { name: 'MIT', identifier: 'MIT' },
  } as NonNullable<Document['info']>,
  servers: [{ url: '/', description: 'The server that serves this document' }],
  tags: [
    { name: 'predict', description: 'Images and rows' },
    { name: 'batch', description: 'Many images, as jobs' },
    { name: 'models', description: 'What is loaded' },
    { name: 'sagemaker', description: 'The container contract of Amazon SageMaker' },
    { name: 'open-inference', description: 'The Open Inference Protocol, version 2' },
    { name: 'health', description: 'For load balancers and monitoring' },
    { name: 'docs', description: 'This document' },
  ],
  // The empty alternative: keys are needed only if API_KEYS is set.
  security: [{ apiKey: [] }, { bearer: [] }, {}],
  components: {
    securitySchemes: {
      apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'One of API_KEYS' },
      bearer: { type: 'http', scheme: 'bearer', description: 'One of API_KEYS as a bearer token' },
    },
  },
};

interface MediaType {
  example?: unknown;
  examples?: Record<string, { summary?: string; value: unknown }>;
}

interface Operation {
  operationId?: string;
  requestBody?: { required?: boolean; content?: Record<string, MediaType> };
  responses?: Record<
    string,
    { description?: string; headers?: unknown; content?: Record<string, MediaType> }
  >;
}

/** Adds headers of responses and examples of bodies, in place. */
export function completeDocument<T extends { readonly paths?: object }>(document: T): T {
  for (const path of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(path as Record<string, Operation>)) completeOperation(operation);
  }
  return document;
}

function completeOperation(operation: Operation): void {
  const examples = EXAMPLES[operation.operationId ?? ''];
  if (operation.requestBody) {
    operation.requestBody.required = true;
    for (const [type, media] of Object.entries(operation.requestBody.content ?? {})) {
      const given = examples?.request?.[type];
      if (given) media.examples = given;
    }
  }
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    response.headers = { ...headersOf(status), ...(response.headers as object | undefined) };
    const problem = response.content?.['application/problem+json'];
    if (problem) problem.examples = problemExamples(response.description ?? '');
    const [success] = Object.values(response.content ?? {});
    if (success && status.startsWith('2') && examples?.response !== undefined)
      success.example = examples.response;
  }
}

function headersOf(status: string): Record<string, unknown> {
  const header = (description: string, type = 'string') => ({
    description,
    // Otherwise generators make it optional here and required behind a reference.
    required: true,
    schema: { type },
  });
  return {
    'X-Request-Id': header('The x-request-id of the request, or a new one'),
    ...(status === '503' || status === '429'
      ? { 'Retry-After': header('Seconds to wait before a retry', 'integer') }
      : {}),
    ...(status === '401' ? { 'WWW-Authenticate': header('Authentication scheme of the API key') } : {}),
  };
}

/** One example for each code that the response's description names. */
function problemExamples(description: string): NonNullable<MediaType['examples']> {
  const codes = ERROR_CODES.filter((code) => description.split(' or ').includes(code));
  return Object.fromEntries(codes.map((code) => [code, { value: problemOf(code) }]));
}

function problemOf(code: ErrorCode): unknown {
  const status = STATUS_OF[code];
  return {
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    detail: EXAMPLES.problems?.details?.[code] ?? 'one line with the fault and what to do',
    code,
    requestId: '3f1c1a52-5c0b-4b0e-9d0e-0a4f6c7d8e90',
    ...(status === 503 ? { retryAfterSeconds: 1 } : {}),
  };
}
