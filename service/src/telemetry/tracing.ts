/** What a span is told; never image bytes, never keys of the API, and short. */
type Attributes = Readonly<Record<string, string | number | boolean>>;

/**
 * A place in a trace, as W3C Trace Context writes it: `00-<trace id>-<span id>-<flags>`. It is how a trace crosses processes:
 * in the header `traceparent` of a request, in the variable TRACEPARENT of a worker.
 */
export type Traceparent = string;

export interface SpanOptions {
  /** Who causes it: a request that came in, a message, a message that goes out; internal when absent. */
  readonly kind?: 'server' | 'consumer' | 'producer';
  readonly attributes?: Attributes;
  /** The span it is part of; when absent, the one whose work is being done. One that cannot be read begins a new trace. */
  readonly parent?: Traceparent | undefined;
  /** True: begins a trace of its own, whatever is being done. */
  readonly root?: boolean;
  /** Spans of other traces that it has to do with: the images of a batch. */
  readonly links?: readonly (Traceparent | undefined)[];
}

/** A piece of work with a beginning and an end. */
interface Span {
  /** Undefined when tracing is off. */
  readonly traceparent: Traceparent | undefined;
  set(attributes: Attributes): void;
  /** Marks it as failed; the reason is a code, or the name of an error. */
  fail(reason: string): void;
}

/** A span whose end somebody else decides. */
export interface OpenSpan extends Span {
  /** Does `work` as part of this span: spans made in it, also later, are its children. */
  run<T>(work: () => T): T;
  end(): void;
}

/** Traces of what the service does. The rest of the code knows this and nothing of OpenTelemetry. */
export interface Tracing {
  /** Does `work` in a span, which ends when the work does and fails when it throws. */
  span<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
  /** A span for work that is over. `from` and `to` are of performance.now(), in milliseconds. */
  record(name: string, options: SpanOptions & { readonly from: number; readonly to: number }): void;
  /** Begins a span that its owner ends. */
  start(name: string, options: SpanOptions): OpenSpan;
  /** Where in a trace the present work is. */
  current(): Traceparent | undefined;
  /** Sends what is waiting; in bounded time, and without an error when nobody takes it. */
  flush(): Promise<void>;
  /** Sends what is waiting and ends. */
  close(): Promise<void>;
}

const NO_SPAN: OpenSpan = {
  traceparent: undefined,
  set() {},
  fail() {},
  run: (work) => work(),
  end() {},
};

/** Tracing that is off: does the work and nothing else. */
export const NO_TRACING: Tracing = {
  span: (_name, _options, work) => work(NO_SPAN),
  record() {},
  start: () => NO_SPAN,
  current: () => undefined,
  flush: async () => {},
  close: async () => {},
};
