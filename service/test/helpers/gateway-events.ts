/** The HTTP request that a gateway turns into an event. */
export interface GatewayRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** A Lambda function's response to a gateway. */
export interface GatewayResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isBase64Encoded?: boolean;
}

/** Maximum size of an event on Lambda, in bytes: slightly more than 6 MiB. */
const EVENT_LIMIT = 6_291_556;

/** Gateways pass text unchanged and everything else as base64. */
function encodeBody({ body, headers = {} }: GatewayRequest) {
  if (body === undefined) return { isBase64Encoded: false };
  const isText = /^(text\/|application\/(json|javascript|xml))/.test(headers['content-type'] ?? '');
  return { body: Buffer.from(body).toString(isText ? 'utf8' : 'base64'), isBase64Encoded: !isText };
}

/**
 * API Gateway HTTP API, payload format 2.0; Function URLs send the same.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 */
export function httpApiEvent(request: GatewayRequest): object {
  const [rawPath = '/', rawQueryString = ''] = request.path.split('?');
  const query = Object.fromEntries(new URLSearchParams(rawQueryString));
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    headers: { host: 'api.example.com', ...request.headers },
    ...(rawQueryString === '' ? {} : { queryStringParameters: query }),
    requestContext: {
      accountId: '123456789012',
      apiId: 'api',
      domainName: 'api.example.com',
      http: {
        method: request.method,
        path: rawPath,
        protocol: 'HTTP/1.1',
        sourceIp: '192.0.2.1',
        userAgent: 'test',
      },
      requestId: 'gateway-request-1',
      routeKey: '$default',
      stage: '$default',
      time: '22/Nov/2026:00:00:00 +0000',
      timeEpoch: 0,
    },
    ...encodeBody(request),
  };
}

/**
 * API Gateway REST API (proxy integration), payload format 1.0, under its stage `prod`.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
 */
export function restApiEvent(request: GatewayRequest): object {
  const [path = '/', queryString = ''] = request.path.split('?');
  const query = Object.fromEntries(new URLSearchParams(queryString));
  const headers = { Host: 'api.example.com', ...request.headers };
  return {
    resource: '/{proxy+}',
    path,
    httpMethod: request.method,
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    queryStringParameters: queryString === '' ? null : query,
    multiValueQueryStringParameters: null,
    pathParameters: { proxy: path.slice(1) },
    stageVariables: null,
    requestContext: {
      resourcePath: '/{proxy+}',
      httpMethod: request.method,
      path: `/prod${path}`,
      stage: 'prod',
      requestId: 'gateway-request-1',
    },
    body: null,
    ...encodeBody(request),
  };
}

/** Whether Lambda rejects an event because of its size. */
export function isTooLargeForLambda(event: object): boolean {
  return Buffer.byteLength(JSON.stringify(event)) > EVENT_LIMIT;
}

/** The response's body, as the gateway forwards it. */
export function bodyOf({ body, isBase64Encoded }: GatewayResponse): Buffer {
  return Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
}
