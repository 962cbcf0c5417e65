import { AsyncLocalStorage } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import {
  type Context,
  DiagLogLevel,
  diag,
  isSpanContextValid,
  type Link,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { isAppError } from '../domain/errors.ts';
import type { OpenSpan, SpanOptions, Traceparent, Tracing } from './tracing.ts';

export interface OtlpOptions {
  /** Address of a collector. Spans are sent to `<endpoint>/v1/traces` as OTLP/HTTP with JSON. */
  readonly endpoint: string;
  readonly serviceName: string;
  /** Share of new traces to sample, 0-1. A trace that a caller started keeps the caller's decision. */
  readonly share: number;
  /** Called with one line if spans could not be sent. */
  readonly onFault: (reason: string) => void;
}

/** Finished spans in memory; further ones are dropped. */
const MAX_WAITING = 2048;
const SEND_TIMEOUT_MS = 5_000;

const KINDS = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER, producer: SpanKind.PRODUCER } as const;

/** Traces with OpenTelemetry. This is the only file that imports it. */
export function createOtlpTracing({ endpoint, serviceName, share, onFault }: OtlpOptions): Tracing {
  const report = (message: string) => onFault(message.split('\n', 1)[0]?.slice(0, 300) ?? '');
  const ignore = () => {};
  diag.setLogger(
    { error: report, warn: report, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/(?<!\/)\/+$/, '')}/v1/traces`,
    timeoutMillis: SEND_TIMEOUT_MS,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanLimits: { attributeValueLengthLimit: 512, attributeCountLimit: 32, linkCountLimit: 128 },
    spanProcessors: [
      new BatchSpanProcessor({ exporter, maxQueueSize: MAX_WAITING, exportTimeoutMillis: SEND_TIMEOUT_MS }),
    ],
  });
  const tracer = provider.getTracer('ml-serverless');
  const current = new AsyncLocalStorage<SpanContext>();

  function parentOf({ parent, root }: SpanOptions): Context {
    if (root) return ROOT_CONTEXT;
    const context = parent === undefined ? current.getStore() : remote(parent);
    return context ? trace.setSpanContext(ROOT_CONTEXT, context) : ROOT_CONTEXT;
  }

  function begin(name: string, options: SpanOptions, startTime?: number): OtelSpan {
    const { kind, attributes = {}, links = [] } = options;
    return tracer.startSpan(
      name,
      {
        kind: kind ? KINDS[kind] : SpanKind.INTERNAL,
        attributes,
        links: links.flatMap(linkTo),
        ...(startTime === undefined ? {} : { startTime }),
      },
      parentOf(options),
    );
  }

  function open(span: OtelSpan): OpenSpan {
    const context = span.spanContext();
    return {
      traceparent: format(context),
      set: (attributes) => void span.setAttributes(attributes),
      fail: (reason) => {
        span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
        span.setAttribute('error.type', reason);
      },
      run: (work) => current.run(context, work),
      end: () => span.end(),
    };
  }

  const start = (name: string, options: SpanOptions) => open(begin(name, options));

  return {
    start,
    async span(name, options, work) {
      const span = start(name, options);
      try {
        return await span.run(() => work(span));
      } catch (error) {
        span.fail(reasonOf(error));
        throw error;
      } finally {
        span.end();
      }
    },
    record(name, { from, to, ...options }) {
      begin(name, options, performance.timeOrigin + from).end(performance.timeOrigin + to);
    },
    current() {
      const context = current.getStore();
      return context && format(context);
    },
    flush: () => provider.forceFlush().catch((error: unknown) => report(String(error))),
    close: () => provider.shutdown().catch((error: unknown) => report(String(error))),
  };
}

function remote(traceparent: Traceparent): SpanContext | undefined {
  const context = parseTraceParent(traceparent);
  return context && isSpanContextValid(context) ? { ...context, isRemote: true } : undefined;
}

function linkTo(traceparent: Traceparent | undefined): Link[] {
  const context = traceparent === undefined ? undefined : remote(traceparent);
  return context ? [{ context }] : [];
}

const format = ({ traceId, spanId, traceFlags }: SpanContext): Traceparent =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;

/** A message can contain input of a client; a code or a name cannot. */
function reasonOf(error: unknown): string {
  if (isAppError(error)) return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
