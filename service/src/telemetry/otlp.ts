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
  /** Address of a collector; spans go to `<endpoint>/v1/traces` as OTLP/HTTP with JSON. */
  readonly endpoint: string;
  readonly serviceName: string;
  /** Share of the traces begun here that are kept, 0-1; one begun elsewhere keeps the choice made there. */
  readonly share: number;
  /** Told why spans were not sent. */
  readonly onFault: (reason: string) => void;
}

/** Spans that may wait to be sent, and how long one sending may take in milliseconds. More spans than that are dropped. */
const MAX_WAITING = 2048;
const SEND_WITHIN_MS = 5_000;

const KINDS = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER, producer: SpanKind.PRODUCER } as const;

/** Tracing by OpenTelemetry. This file is the only one that imports it. */
export function createOtlpTracing({ endpoint, serviceName, share, onFault }: OtlpOptions): Tracing {
  const tell = (message: string) => onFault(message.split('\n', 1)[0]?.slice(0, 300) ?? '');
  const quiet = () => {};
  diag.setLogger(
    { error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/(?<!\/)\/+$/, '')}/v1/traces`,
    timeoutMillis: SEND_WITHIN_MS,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanLimits: { attributeValueLengthLimit: 512, attributeCountLimit: 32, linkCountLimit: 128 },
    spanProcessors: [
      new BatchSpanProcessor({ exporter, maxQueueSize: MAX_WAITING, exportTimeoutMillis: SEND_WITHIN_MS }),
    ],
  });
  const tracer = provider.getTracer('ml-serverless');
  const here = new AsyncLocalStorage<SpanContext>();

  function parentOf({ parent, root }: SpanOptions): Context {
    if (root) return ROOT_CONTEXT;
    const context = parent === undefined ? here.getStore() : remote(parent);
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
      run: (work) => here.run(context, work),
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
      const context = here.getStore();
      return context && format(context);
    },
    // What cannot be sent has been told to `onFault`.
    flush: () => provider.forceFlush().catch((error: unknown) => tell(String(error))),
    close: () => provider.shutdown().catch((error: unknown) => tell(String(error))),
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

/** Messages can repeat what a client sent; codes and names cannot. */
function reasonOf(error: unknown): string {
  if (isAppError(error)) return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
