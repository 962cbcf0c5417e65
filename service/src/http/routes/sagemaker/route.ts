import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { AppError } from '../../../domain/errors.ts';
import type { Classification } from '../../../domain/prediction.ts';
import type { TabularPrediction } from '../../../domain/tabular.ts';
import type { App } from '../../app-type.ts';
import { JSON_LINES } from '../../body/parsers.ts';
import { hasRows, predictRows, tabularModel } from '../../body/tabular-body.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type ClassifyQuery, MODEL_PROBLEMS, problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { classifyImage } from '../predict/route.ts';
import { PredictBody } from '../predict/schema.ts';
import { classifyRecords, readRecords } from './body.ts';
import { chooseFormat, type RecordAnswer, toLines } from './formats.ts';

/** Maximum of a request and of all concurrent requests of a transform, in MiB. */
const SAGEMAKER_MAX_MIB = 100;

const text = (description: string) => ({ schema: Type.Unsafe<string>({ type: 'string', description }) });

const json = { 'application/json': { schema: Type.Object({ status: Type.Literal('ok') }) } };

/**
 * SageMaker's container contract: GET /ping, POST /invocations and GET /execution-parameters, for real-time and
 * serverless endpoints and for batch transform. Needs addBodyParsers.
 */
export function sagemakerRoutes(app: App, services: Services): void {
  const { models, config } = services;
  app.get(
    '/ping',
    {
      config: { public: true, quiet: true, anyHost: true },
      schema: {
        operationId: 'ping',
        summary: 'Check readiness (SageMaker)',
        description: 'As GET /health/ready, under the path that SageMaker calls.',
        tags: ['sagemaker'],
        security: [],
        response: { 200: { description: 'Ready', content: json }, ...problems('MODEL_NOT_READY') },
      },
    },
    async () => {
      if (!models.ready || app.lifecycle.closing) {
        throw new AppError('MODEL_NOT_READY', 'the model is not loaded; try again in a second');
      }
      return { status: 'ok' as const };
    },
  );
  app.get(
    '/execution-parameters',
    {
      config: { public: true, quiet: true },
      schema: {
        operationId: 'getExecutionParameters',
        summary: 'Get parameters of batch transform (SageMaker)',
        description: 'Defaults of a batch transform job.',
        tags: ['sagemaker'],
        security: [],
        response: {
          200: {
            description: 'Concurrency, strategy and size of the requests',
            content: {
              'application/json': {
                schema: Type.Object({
                  MaxConcurrentTransforms: Type.Integer({ minimum: 1 }),
                  BatchStrategy: Type.String({ description: '`MULTI_RECORD` or `SINGLE_RECORD`' }),
                  MaxPayloadInMB: Type.Integer({ minimum: 1 }),
                }),
              },
            },
          },
          ...problems('MODEL_NOT_READY', 'MODEL_NOT_FOUND'),
        },
      },
    },
    async () => {
      const MaxPayloadInMB = Math.max(
        1,
        Math.min(SAGEMAKER_MAX_MIB, Math.floor(config.maxUploadBytes / 2 ** 20)),
      );
      const isImage = (models.taskOf?.() ?? 'image-classification') === 'image-classification';
      return {
        MaxConcurrentTransforms: Math.max(
          1,
          Math.min(isImage ? config.MAX_BATCH : config.cpus, Math.floor(SAGEMAKER_MAX_MIB / MaxPayloadInMB)),
        ),
        BatchStrategy: isImage ? 'SINGLE_RECORD' : 'MULTI_RECORD',
        MaxPayloadInMB,
      };
    },
  );
  app.post(
    '/invocations',
    {
      schema: {
        operationId: 'invoke',
        summary: 'Predict (SageMaker)',
        description:
          'Takes the bodies of POST /predict, and JSON Lines with one record per line. Accept chooses the type of the response; the default is JSON Lines for JSON Lines, CSV for CSV, else JSON. Response lines keep the number and order of the records; an invalid record of JSON Lines gets an error in its line. `model` and `topK` go into X-Amzn-SageMaker-Custom-Attributes, e.g. `model=resnet50,topK=3`.',
        tags: ['sagemaker'],
        headers: Type.Object({
          'x-amzn-sagemaker-custom-attributes': Type.Optional(
            Type.String({
              maxLength: 1024,
              description: '`model=<name>,topK=<number>`',
            }),
          ),
        }),
        body: {
          description: 'An image, or records',
          content: {
            ...PredictBody.content,
            'application/x-image': PredictBody.content['image/*'],
            ...Object.fromEntries(
              JSON_LINES.map((type) => [
                type,
                text('One record per line: a row (array or object), or `{"image": "<base64>"}`'),
              ]),
            ),
          },
        },
        response: {
          200: {
            description: 'One prediction per record',
            content: {
              'application/json': {
                schema: Type.Union([
                  Type.Unsafe<TabularPrediction>({ $ref: 'TabularPrediction#' }),
                  Type.Unsafe<Classification>({ $ref: 'Classification#' }),
                ]),
              },
              'application/jsonlines': text('One prediction per line'),
              'text/csv': text(
                'One prediction per line: a value; a label and all probabilities; or labels and probabilities in turn',
              ),
            },
          },
          ...problems(...MODEL_PROBLEMS, 'PAYLOAD_TOO_LARGE'),
        },
      },
    },
    async (request, reply) => invoke(request, reply, app, services),
  );
}

async function invoke(request: FastifyRequest, reply: FastifyReply, app: App, services: Services) {
  const query = attributesOf(request);
  const isLines = (JSON_LINES as readonly (string | undefined)[]).includes(request.mediaType);
  const format = chooseFormat(request, isLines ? 'application/jsonlines' : request.mediaType);
  if (isLines) {
    const records = await withDeadline(reply, (signal) => answerLines(request, query, app, services, signal));
    // No schema describes a JSON list of records, so JSON Lines answer JSON Lines or CSV.
    const lines = format === 'text/csv' ? format : 'application/jsonlines';
    return reply.type(lines).serializer(String).send(toLines(records, lines));
  }
  const [prediction, records] = await withDeadline(reply, (signal) =>
    predict(request, query, services, signal),
  );
  app.metrics.observe(prediction);
  if (format === 'application/json') return prediction;
  return reply.type(format).serializer(String).send(toLines(records, format));
}

const takesImages = ({ models }: Services, { model }: ClassifyQuery) =>
  (models.taskOf?.(model) ?? 'image-classification') === 'image-classification';

/** One answer per line, errors in their places. */
async function answerLines(
  request: FastifyRequest,
  query: ClassifyQuery,
  app: App,
  services: Services,
  signal: AbortSignal,
): Promise<readonly RecordAnswer[]> {
  const parsed = await readRecords(request.body as Buffer, services.config);
  if (takesImages(services, query)) {
    return classifyRecords(parsed, services, query, signal);
  }
  const result = await tabularModel(services, query.model).predictEach(parsed.records, { signal });
  app.metrics.observe(result);
  return result.predictions;
}

/** The answer to one image or one table, and its records. */
async function predict(
  request: FastifyRequest,
  query: ClassifyQuery,
  services: Services,
  signal: AbortSignal,
): Promise<readonly [Classification | TabularPrediction, readonly RecordAnswer[]]> {
  if (hasRows(request)) {
    const prediction = await predictRows(request, tabularModel(services, query.model), signal);
    return [prediction, prediction.predictions];
  }
  if (takesImages(services, query)) {
    const classification = await classifyImage(request, query, signal);
    return [classification, [classification]];
  }
  const code = request.mediaType === 'application/json' ? 'INVALID_REQUEST' : 'UNSUPPORTED_MEDIA_TYPE';
  throw new AppError(code, 'the model takes rows; send {"instances": [...]}, text/csv or JSON Lines');
}

/** `model` and `topK` of X-Amzn-SageMaker-Custom-Attributes; other attributes are ignored. */
function attributesOf({ headers }: FastifyRequest): ClassifyQuery {
  const given = String(headers['x-amzn-sagemaker-custom-attributes'] ?? '');
  const pairs = new Map(
    given.split(/[,;]/).map((pair): [string, string] => {
      const [key = '', ...value] = pair.split('=');
      return [key.trim(), value.join('=').trim()];
    }),
  );
  const model = pairs.get('model');
  const topK = pairs.get('topK');
  if (topK !== undefined && !/^([1-9]\d?|100)$/.test(topK)) {
    throw new AppError('INVALID_REQUEST', 'topK in the custom attributes must be an integer from 1 to 100');
  }
  return { ...(model ? { model } : {}), ...(topK === undefined ? {} : { topK: Number(topK) }) };
}
