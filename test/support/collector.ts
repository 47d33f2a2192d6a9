import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SentSpan {
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it is a part of nothing. */
  readonly parentSpanId: string;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** A receiver of OTLP over HTTP (JSON), as a collector is one. */
export class Collector {
  readonly spans: SentSpan[] = [];
  readonly resources: Readonly<Record<string, unknown>>[] = [];
  /** All that came, as it came. */
  raw = '';
  /** What it answers. */
  status = 200;
  requests = 0;
  readonly #server: Server;
  #wake: () => void = () => {};

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  static async start(): Promise<Collector> {
    const collector = new Collector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The first span, sent already or later, that is wanted. */
  async until(wanted: (span: SentSpan) => boolean): Promise<SentSpan> {
    for (;;) {
      const span = this.spans.find(wanted);
      if (span !== undefined) return span;
      await this.change();
    }
  }

  /** Resolves with the next request. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    this.requests++;
    this.raw += body;
    if (request.url === '/v1/traces' && this.status === 200) this.#decode(body);
    response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}');
    this.#wake();
  }

  #decode(body: string): void {
    const { resourceSpans } = JSON.parse(body) as { resourceSpans: ResourceSpans[] };
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resources.push(valuesOf(resource.attributes));
      for (const { spans } of scopeSpans) for (const span of spans) this.spans.push(spanOf(span));
    }
  }
}

interface WireSpan extends Omit<SentSpan, 'attributes' | 'failed' | 'parentSpanId'> {
  readonly parentSpanId?: string;
  readonly attributes: readonly KeyValue[];
  readonly status: { readonly code: number };
}

interface ResourceSpans {
  readonly resource: { readonly attributes: readonly KeyValue[] };
  readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
}

function spanOf({ name, kind, traceId, spanId, parentSpanId = '', status, attributes }: WireSpan): SentSpan {
  return { name, kind, traceId, spanId, parentSpanId, failed: status.code === 2, attributes: valuesOf(attributes) };
}

function valuesOf(attributes: readonly KeyValue[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
