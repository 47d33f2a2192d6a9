/** HTTP as the resources see it, whichever transport carries it. */

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Value of a request header, by its lower-case name. */
  header(name: string): string | undefined;
  /** Whole body, at most the transport's limit (413 is answered above it). */
  readonly body: Uint8Array;
  readonly remoteAddress: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /**
   * In place of a body: called once, when the head has been sent, with what takes the parts of a body that has no end in sight.
   * Not called for HEAD, nor where the peer has gone away before.
   */
  readonly stream?: (out: HttpStream) => StreamEvents;
}

/** The body of an answer that goes on. After its close every member is a harmless no-op. */
export interface HttpStream {
  /**
   * Takes all of it; what the peer does not read meanwhile waits here. `onLeft` is called later, once: when the kernel has all up
   * to this, never where the stream ends before.
   */
  write(text: string, onLeft?: () => void): void;
  /** Bytes taken but not yet handed to the kernel. */
  bufferedBytes(): number;
  /** Sends what waits, then ends the answer. */
  end(): void;
  /** Cuts the connection at once. */
  terminate(): void;
}

/** What the transport tells of a stream; never from within a call of the stream. */
export interface StreamEvents {
  /** Of what waited something has left. */
  drained(): void;
  /** Called once: it has ended, or the peer went away. */
  closed(): void;
}

/** Answers every request; a rejection is answered with a 500 problem and logged by the transport. */
export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  };
}

/** RFC 9457 problem details. `detail` says what was wrong and what would be right. */
export function problem(
  status: number,
  title: string,
  detail: string,
  extra: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ type: 'about:blank', title, status, detail, ...extra }),
  };
}
