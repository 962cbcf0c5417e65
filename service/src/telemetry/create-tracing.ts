import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { NO_TRACING, type Tracing } from './tracing.ts';

type Settings = Pick<Config, 'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_SERVICE_NAME' | 'OTEL_TRACES_SAMPLER_ARG'>;

/** Without OTEL_EXPORTER_OTLP_ENDPOINT, tracing is off and OpenTelemetry is not loaded. */
export async function createTracing(config: Settings, logger: Logger): Promise<Tracing> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = config;
  if (endpoint === undefined) return NO_TRACING;
  const { createOtlpTracing } = await import('./otlp.ts');
  return createOtlpTracing({
    endpoint,
    serviceName: config.OTEL_SERVICE_NAME,
    share: config.OTEL_TRACES_SAMPLER_ARG,
    onFault: (reason) => logger.warn({ reason }, 'traces not sent'),
  });
}
