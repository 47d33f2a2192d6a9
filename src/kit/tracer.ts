/** Names as in OpenTelemetry's semantic conventions where there is one. Never a token, an address, or a part of what somebody sent. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** `server`: an answer to somebody else; `client`: a question to somebody else. Default: neither. */
  readonly kind?: 'server' | 'client';
  readonly attributes?: Attributes;
  /** The headers of W3C Trace Context that came with the request, which this is a part of. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** A piece of work under way. */
export interface Span {
  set(attributes: Attributes): void;
  /** It did not do what it was to do. `reason`: a word of ours, such as the name of an error, never its text. */
  failed(reason: string): void;
}

/** Tells how long pieces of work take, and of what they are parts. For what happens some times a second, never for every trade or tick. */
export interface Tracer {
  /**
   * Runs `work` in a span, from this very turn until it settles; a rejection is passed on, and marks the span. Spans that begin
   * within are parts of it.
   */
  span<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
}

const NO_SPAN: Span = { set() {}, failed() {} };

export const noTracer: Tracer = { span: (_name, _options, work) => work(NO_SPAN) };
