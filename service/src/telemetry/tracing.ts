/** Short facts about a span; no image bytes, API keys or other input of a client. */
type Attributes = Readonly<Record<string, string | number | boolean>>;

/**
 * A span's identity in W3C Trace Context: `00-<trace id>-<span id>-<flags>`. It carries a trace to another process: in the
 * header `traceparent` of a request, or in the variable TRACEPARENT of a worker.
 */
export type Traceparent = string;

export interface SpanOptions {
  /** `server` handles a request, `consumer` a message; `producer` sends a message. Default: internal. */
  readonly kind?: 'server' | 'consumer' | 'producer';
  readonly attributes?: Attributes;
  /** Default: the current span. An invalid value starts a new trace. */
  readonly parent?: Traceparent | undefined;
  /** Start a new trace, even inside a span. */
  readonly root?: boolean;
  /** Related spans of other traces: the images of a batch. */
  readonly links?: readonly (Traceparent | undefined)[];
}

interface Span {
  /** Undefined if tracing is off. */
  readonly traceparent: Traceparent | undefined;
  set(attributes: Attributes): void;
  /** Sets the status to error. @param reason an error's code or name, never its message */
  fail(reason: string): void;
}

/** A span that the caller ends. */
export interface OpenSpan extends Span {
  /** Runs `work` with this span as the current one, also for its asynchronous continuations. */
  run<T>(work: () => T): T;
  end(): void;
}

/**
 * The port for traces. Rooms get it as an option instead of OpenTelemetry's global API, because a worker traces its chunks
 * but not each of a million images, and because nothing of OpenTelemetry is loaded while tracing is off.
 */
export interface Tracing {
  /** Runs `work` in a span, which ends with it. If `work` throws, the span fails with the error's code. */
  span<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
  /** Records a span afterwards. `from` and `to` are values of performance.now(), in milliseconds. */
  record(name: string, options: SpanOptions & { readonly from: number; readonly to: number }): void;
  /** Starts a span that the caller must end. */
  start(name: string, options: SpanOptions): OpenSpan;
  /** The current span; undefined outside of any, and if tracing is off. */
  current(): Traceparent | undefined;
  /** Sends the finished spans. Takes a bounded time and never rejects: spans that cannot be sent are dropped. */
  flush(): Promise<void>;
  /** Flushes and stops. */
  close(): Promise<void>;
}

const NO_SPAN: OpenSpan = {
  traceparent: undefined,
  set() {},
  fail() {},
  run: (work) => work(),
  end() {},
};

export const NO_TRACING: Tracing = {
  span: (_name, _options, work) => work(NO_SPAN),
  record() {},
  start: () => NO_SPAN,
  current: () => undefined,
  flush: async () => {},
  close: async () => {},
};
