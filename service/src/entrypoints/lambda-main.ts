import awsLambdaFastify, { type LambdaResponse } from '@fastify/aws-lambda';
import { createServices } from '../app/services.ts';
import { loadLambdaConfig } from '../config/config.ts';
import { buildApp } from '../http/app.ts';
import { meterInvocations } from '../telemetry/meter-invocations.ts';
import { createStageMeter } from '../telemetry/stage-meter.ts';

// The same app behind API Gateway (HTTP API and REST) and Function URLs. All of this runs once an execution environment,
// before the first event: Lambda gives init a full share of CPU, and requests find a warm model.

/**
 * Lambda takes events of 6 MiB, base64 included, so this is the largest image that fits with its headers. A larger one is
 * told so by us instead of by the platform, and where it can go instead.
 */
const MAX_UPLOAD_BYTES = 4_400_000;

/** What is not text travels as base64: API Gateway decodes it again. */
const TEXT = /^(text\/|application\/(.+\+)?(json|yaml|javascript|x-ndjson)|image\/svg)/i;

const config = loadLambdaConfig();
const services = await createServices({
  ...config,
  maxUploadBytes: Math.min(config.maxUploadBytes, MAX_UPLOAD_BYTES),
  maxFormBytes: MAX_UPLOAD_BYTES,
});
const app = await buildApp(services);
const proxy = awsLambdaFastify(app, {
  enforceBase64: ({ headers }) => {
    const type = String(headers['content-type'] ?? '');
    return headers['content-encoding'] !== undefined || (type !== '' && !TEXT.test(type));
  },
  // A comma in a query is a comma: none of our parameters is a list.
  parseCommaSeparatedQueryParams: false,
  // The engine's threads and sockets stay open between invocations.
  callbackWaitsForEmptyEventLoop: false,
});
await Promise.all([app.ready(), services.models.loaded]);

const stages = createStageMeter(services.metrics);

/** AWS Lambda handler for API Gateway payloads 1.0 and 2.0 and for Function URLs. */
export const handler = meterInvocations(proxy, {
  functionName: config.AWS_LAMBDA_FUNCTION_NAME,
  read: ({ statusCode }: LambdaResponse) => ({
    metrics: {
      ...stages.take(),
      ClientErrors: [Number(statusCode >= 400 && statusCode < 500), 'Count'],
      ServerErrors: [Number(statusCode >= 500), 'Count'],
    },
    properties: { status: statusCode },
  }),
  // The environment is frozen when the answer is given: what waits to be sent would wait until the next request.
  flush: services.tracing.flush,
});
