import awsLambdaFastify, { type LambdaResponse } from '@fastify/aws-lambda';
import { createServices } from '../app/services.ts';
import { loadLambdaConfig } from '../config/config.ts';
import { buildApp } from '../http/app.ts';
import { meterInvocations } from '../telemetry/meter-invocations.ts';
import { createStageMeter } from '../telemetry/stage-meter.ts';

// The same app behind API Gateway (HTTP API and REST) and Function URLs. This runs once per execution environment, before
// the first event: Lambda gives the init phase a full share of CPU, and requests find a warm model.

/**
 * The largest image that fits into a Lambda event (6 MiB, base64 and headers included). A larger one gets our own 413,
 * which names the way through the store.
 */
const MAX_UPLOAD_BYTES = 4_400_000;

/** Lambda returns 6 MB, in which JSON Lines are a JSON string, with its quotes escaped, and Parquet is base64. */
const MAX_RESPONSE_BYTES = 4_000_000;

/** Other types are sent as base64, which API Gateway decodes. */
const TEXT = /^(text\/|application\/(.+\+)?(json|yaml|javascript|x-ndjson)|image\/svg)/i;

const config = loadLambdaConfig();
const services = await createServices({
  ...config,
  maxUploadBytes: Math.min(config.maxUploadBytes, MAX_UPLOAD_BYTES),
  maxFormBytes: MAX_UPLOAD_BYTES,
  maxResponseBytes: MAX_RESPONSE_BYTES,
});
const app = await buildApp(services, { waitsForModels: true });
const proxy = awsLambdaFastify(app, {
  enforceBase64: ({ headers }) => {
    const type = String(headers['content-type'] ?? '');
    return headers['content-encoding'] !== undefined || (type !== '' && !TEXT.test(type));
  },
  // No query parameter is a list.
  parseCommaSeparatedQueryParams: false,
  // The engine's threads and sockets stay open between invocations.
  callbackWaitsForEmptyEventLoop: false,
});
await app.ready();

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
  // Lambda freezes the environment after the response; unsent spans would wait for the next request.
  flush: services.tracing.flush,
});
