import accepts from '@fastify/accepts';
import multipart from '@fastify/multipart';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger } from 'fastify';
import { createMetrics } from '../telemetry/metrics.ts';
import { NO_TRACING } from '../telemetry/tracing.ts';
import type { App } from './app-type.ts';
import { addBodyParsers } from './body/parsers.ts';
import { corePlugin, PLUGIN_TIMEOUT_MS } from './core.ts';
import { handleClientError } from './errors/client-error.ts';
import { handleError } from './errors/handler.ts';
import { authPlugin } from './plugins/auth.ts';
import { bodyMemoryPlugin } from './plugins/body-memory.ts';
import { bodyTimePlugin } from './plugins/body-time.ts';
import { bodyTypesPlugin } from './plugins/body-types.ts';
import { documentPlugin } from './plugins/document.ts';
import { hostsPlugin } from './plugins/hosts.ts';
import { lifecyclePlugin } from './plugins/lifecycle.ts';
import { metricsPlugin } from './plugins/metrics.ts';
import { notFoundPlugin } from './plugins/not-found.ts';
import { originsPlugin } from './plugins/origins.ts';
import { securityPlugin } from './plugins/security.ts';
import { tracingPlugin } from './plugins/tracing.ts';
import { batchRoutes } from './routes/batch/route.ts';
import { explainRoutes } from './routes/explain/route.ts';
import { healthRoutes } from './routes/health.ts';
import { indexRoutes } from './routes/index-page.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { modelRoutes } from './routes/models.ts';
import { openInferenceRoutes } from './routes/open-inference/route.ts';
import { openapiRoutes } from './routes/openapi.ts';
import { planRoutes } from './routes/plan/route.ts';
import { predictRoutes } from './routes/predict/route.ts';
import { ImageResultsResponse } from './routes/predict/schema.ts';
import { sagemakerRoutes } from './routes/sagemaker/route.ts';
import { thumbnailRoutes } from './routes/thumbnail/route.ts';
import { uploadRoutes } from './routes/uploads/route.ts';
import { requestIdOf } from './runtime/request-id.ts';
import { RequestLog } from './runtime/request-log.ts';
import { lazySerializers } from './runtime/serializer.ts';
import { formatSchemaErrors, validatorCompiler } from './runtime/validator.ts';
import { ClassificationResponse, ModelResponse, Problem } from './schemas/shared.ts';
import { TabularResponse } from './schemas/tabular.ts';
import type { Services } from './services.ts';

/** Limits of connections, in milliseconds and bytes. */
const LIMITS = {
  /** Node's own timeout is this much longer than that of plugins/body-time.ts: it catches what the plugin misses. */
  requestTimeoutMargin: 60_000,
  headersTimeout: 15_000,
  /** How often Node checks for late headers; its default of 30 s would triple their timeout. */
  connectionsCheckingInterval: 5_000,
  /** Longer than the idle timeout of AWS load balancers (60 s), so that they close the connection first. */
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 * 1024,
  maxConnections: 4096,
  /** Bodies of routes that set no limit of their own. */
  bodyLimit: 1024 * 1024,
  maxParamLength: 256,
} as const;

/** The app with its HTTP side, to listen or to be injected into (AWS Lambda). */
export async function buildApp(services: Services, { waitsForModels = false } = {}): Promise<App> {
  const app: App = Fastify({
    loggerInstance: services.logger as FastifyBaseLogger,
    logController: new RequestLog(),
    genReqId: requestIdOf,
    http: {
      maxHeaderSize: LIMITS.maxHeaderSize,
      headersTimeout: LIMITS.headersTimeout,
      connectionsCheckingInterval: LIMITS.connectionsCheckingInterval,
    },
    requestTimeout: services.config.REQUEST_TIMEOUT_MS + LIMITS.requestTimeoutMargin,
    keepAliveTimeout: LIMITS.keepAliveTimeout,
    bodyLimit: LIMITS.bodyLimit,
    pluginTimeout: PLUGIN_TIMEOUT_MS,
    routerOptions: { maxParamLength: LIMITS.maxParamLength, ignoreTrailingSlash: true },
    // Accepted requests are answered; plugins/lifecycle.ts has the rest of a shutdown.
    return503OnClosing: false,
    trustProxy: false,
    // Not setValidatorCompiler: child scopes would not inherit it and would validate with Ajv.
    schemaController: {
      compilersFactory: {
        buildValidator: () => validatorCompiler as never,
        buildSerializer: lazySerializers(),
      },
    },
    clientErrorHandler: (error, socket) => handleClientError(error, socket),
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id);
      handleError(error, request, reply);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = LIMITS.maxConnections;

  // No route takes plain text.
  app.removeContentTypeParser('text/plain');
  app.setSchemaErrorFormatter(formatSchemaErrors);
  app.setErrorHandler(handleError);
  for (const schema of [
    Problem,
    ClassificationResponse,
    ImageResultsResponse,
    TabularResponse,
    ModelResponse,
  ])
    app.addSchema(schema);

  await app.register(corePlugin, { services, waitsForModels });
  await app.register(lifecyclePlugin);
  const { metrics = createMetrics(), tracing = NO_TRACING } = services;
  metrics.watch(services.models);
  await app.register(metricsPlugin, { metrics });
  await app.register(tracingPlugin, { tracing });
  await app.register(securityPlugin);
  const { API_KEYS: keys, allowedHosts, corsOrigins } = services.config;
  await app.register(hostsPlugin, { allowed: allowedHosts });
  // Before the keys: a preflight has none.
  await app.register(originsPlugin, { origins: corsOrigins, needsKey: keys.length > 0 });
  await app.register(authPlugin, { keys });
  await app.register(bodyTimePlugin, { timeoutMs: services.config.REQUEST_TIMEOUT_MS });
  await app.register(bodyMemoryPlugin, { maxBytes: services.config.BODY_MEMORY_MB * 2 ** 20 });
  await app.register(documentPlugin);
  await app.register(notFoundPlugin);
  await app.register(bodyTypesPlugin);
  await app.register(multipart);
  await app.register(accepts);

  // In a scope of their own: these parsers and limits are for images.
  await app.register(async (scope) => {
    addBodyParsers(scope, services.config);
    predictRoutes(scope as App, services);
    explainRoutes(scope as App);
    sagemakerRoutes(scope as App, services);
    openInferenceRoutes(scope as App, services);
  });
  uploadRoutes(app);
  batchRoutes(app, services);
  thumbnailRoutes(app, services);
  planRoutes(app, services);
  modelRoutes(app, services);
  healthRoutes(app, services);
  metricsRoutes(app);
  openapiRoutes(app);
  await app.register(async (scope) => indexRoutes(scope as App, services));
  return app;
}
