import type { FastifyReply, FastifyRequest } from 'fastify';
import pLimit from 'p-limit';
import { type TSchema, Type } from 'typebox';
import type { Classifier } from '../../../domain/classifier.ts';
import { AppError } from '../../../domain/errors.ts';
import type { TabularModel } from '../../../domain/tabular.ts';
import type { App } from '../../app-type.ts';
import { decodeImage } from '../../body/image-request.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { DEFAULT_TOP_K, problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { imagesOf, metadataOf, rowsOf, selectOutputs, tensorsOfImages, tensorsOfRows } from './body.ts';
import { InferRequest, InferResponse, ModelMetadata, ServerMetadata } from './schema.ts';

/** Images of one request that are classified at a time. */
const IMAGES_AT_ONCE = 8;
const MAX_IMAGES = 256;

const json = (description: string, schema: TSchema) => ({
  description,
  content: { 'application/json': { schema } },
});
const ready = Type.Object({ ready: Type.Boolean() });

interface ModelParams {
  readonly name: string;
  readonly version?: string;
}

/** The Open Inference Protocol v2 (KServe, Triton, MLServer clients): health, metadata and infer, over the same models. */
export function openInferenceRoutes(app: App, services: Services): void {
  const { models } = services;

  function get(
    url: string,
    operationId: string,
    summary: string,
    schema: TSchema,
    handler: (params: ModelParams) => unknown,
  ) {
    const withModel = url.includes(':name');
    const isPublic = url.includes('/health/');
    app.get(
      url,
      {
        config: { openInference: true, public: isPublic, quiet: isPublic, anyHost: isPublic },
        schema: {
          operationId,
          summary,
          description: `${summary}: Open Inference Protocol v2.`,
          tags: ['open-inference'],
          ...(isPublic ? { security: [] } : {}),
          ...(withModel ? { params: paramsOf(url) } : {}),
          response: {
            200: json(summary, schema),
            ...problems(
              'UNAUTHORIZED',
              'MODEL_NOT_READY',
              ...(withModel ? (['MODEL_NOT_FOUND'] as const) : []),
            ),
          },
        },
      },
      async (request) => handler(request.params as ModelParams),
    );
  }

  get('/v2', 'getServerMetadata', 'Get server metadata', ServerMetadata, () => ({
    name: 'ml-serverless',
    version: '1.0.0',
    extensions: [],
  }));
  get('/v2/health/live', 'getServerLive', 'Check liveness', Type.Object({ live: Type.Boolean() }), () => ({
    live: true,
  }));
  get('/v2/health/ready', 'getServerReady', 'Check readiness of every model', ready, () => {
    if (!models.ready || app.lifecycle.closing) {
      throw new AppError('MODEL_NOT_READY', 'not every model is loaded; try again in a second');
    }
    return { ready: true };
  });
  for (const [suffix, id] of [
    ['', ''],
    ['/versions/:version', 'Version'],
  ] as const) {
    const path = `/v2/models/:name${suffix}`;
    get(path, `getModel${id}Metadata`, 'Get model metadata', ModelMetadata, (params) =>
      metadataOf(modelOf(services, params).info),
    );
    get(`${path}/ready`, `getModel${id}Ready`, 'Check readiness of the model', ready, (params) => {
      modelOf(services, params);
      return { ready: true };
    });
    app.post(
      `${path}/infer`,
      {
        config: { openInference: true },
        schema: {
          operationId: `inferModel${id}`,
          summary: 'Infer',
          description:
            'Open Inference Protocol v2: tensors in, tensors out. Tables answer `label` and `probabilities`, or `value`; images `label`, `index` and `probability`, likeliest first.',
          tags: ['open-inference'],
          params: paramsOf(path),
          body: { content: { 'application/json': { schema: InferRequest } } },
          response: {
            200: json('One row of each tensor per row or image', InferResponse),
            ...problems(
              'UNAUTHORIZED',
              'MODEL_NOT_FOUND',
              'REQUEST_TIMEOUT',
              'PAYLOAD_TOO_LARGE',
              'IMAGE_TOO_LARGE',
              'UNSUPPORTED_MEDIA_TYPE',
              'UNREADABLE_IMAGE',
              'OVERLOADED',
              'MODEL_NOT_READY',
              'ENGINE_FAILED',
            ),
          },
        },
      },
      async (request, reply) => infer(request, reply, app, services),
    );
  }
}

const paramsOf = (url: string) =>
  Type.Object({
    name: Type.String({ minLength: 1, maxLength: 64, description: 'Name of the model' }),
    ...(url.includes(':version')
      ? { version: Type.String({ minLength: 1, maxLength: 64, description: 'Its version' }) }
      : {}),
  });

/** @throws AppError MODEL_NOT_FOUND, also for another version than the loaded one */
function modelOf({ models }: Services, { name, version }: ModelParams): Classifier | TabularModel {
  const isTable = (models.taskOf?.(name) ?? 'image-classification') !== 'image-classification';
  const model = isTable && models.tabular ? models.tabular(name) : models.get(name);
  if (version !== undefined && version !== model.info.version) {
    throw new AppError('MODEL_NOT_FOUND', `the model ${name} has the version ${model.info.version} only`);
  }
  return model;
}

async function infer(
  { params, body, longStrings }: FastifyRequest,
  reply: FastifyReply,
  app: App,
  services: Services,
): Promise<InferResponse> {
  const request = body as InferRequest;
  const model = modelOf(services, params as ModelParams);
  const outputs = await withDeadline(reply, async (signal) => {
    if ('predict' in model) {
      const prediction = await model.predict(rowsOf(request, model.info.input.features), { signal });
      app.metrics.observe(prediction);
      return tensorsOfRows(prediction, model.info);
    }
    const images = imagesOf(request);
    if (images.length > MAX_IMAGES) {
      throw new AppError('INVALID_REQUEST', `${images.length} images exceed ${MAX_IMAGES}; send fewer`);
    }
    const topK = topKOf(request);
    const limit = pLimit(IMAGES_AT_ONCE);
    const classifications = await Promise.all(
      images.map((image) =>
        limit(async () => {
          const bytes = await decodeImage(image, longStrings, services.config.MAX_IMAGE_BYTES);
          return model.classify(bytes, { topK, signal });
        }),
      ),
    );
    for (const classification of classifications) app.metrics.observe(classification);
    return tensorsOfImages(classifications);
  });
  return {
    model_name: model.info.name,
    model_version: model.info.version,
    ...(request.id === undefined ? {} : { id: request.id }),
    outputs: selectOutputs(outputs, request),
  };
}

function topKOf({ parameters }: InferRequest): number {
  const topK = parameters?.topK ?? DEFAULT_TOP_K;
  if (typeof topK === 'number' && Number.isInteger(topK) && topK >= 1 && topK <= 100) return topK;
  throw new AppError('INVALID_REQUEST', 'parameters.topK must be an integer from 1 to 100');
}
