import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ClickHouseEngine, Statement } from './engine.js';

const REQUEST_BYTES_MAX = 67_108_864;
/** The engine runs four statements at a time; more than these do not wait. */
const WAITING_MAX = 100;
/** What is sent as a URL parameter and is no setting. */
const NOT_SETTINGS: ReadonlySet<string> = new Set([
  'query',
  'query_id',
  'database',
  'session_id',
  'role',
  'session_timeout',
]);
const PARAM = 'param_';
const CODE = /Code: (\d+)/;
const TOO_MANY = 'Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)';
const TOO_LONG = `Code: 307. DB::Exception: The request has more than ${REQUEST_BYTES_MAX} bytes. (TOO_MANY_BYTES)`;

/**
 * ClickHouse's HTTP interface, as much of it as @clickhouse/client uses, over the engine in this process: statements with settings and
 * parameters in the URL, rows of an INSERT in the body, /ping. https://clickhouse.com/docs/interfaces/http
 */
export class HttpFront {
  readonly #engine: ClickHouseEngine;
  readonly #server: Server;
  #running = 0;

  constructor(engine: ClickHouseEngine) {
    this.#engine = engine;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => refuse(response, error));
    });
    // Its few clients are ours and stay: one that is hung up on just when it asks would take that for a failure.
    this.#server.keepAliveTimeout = 0;
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(path, resolve);
    });
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/ping') {
      response.end('Ok.\n');
      return;
    }
    const statement = read(url, await body(request));
    if (this.#running >= WAITING_MAX) throw new Error(TOO_MANY);
    this.#running++;
    try {
      const answer = await this.#engine.run(statement);
      response.setHeader('x-clickhouse-query-id', url.searchParams.get('query_id') ?? '');
      response.end(answer);
    } finally {
      this.#running--;
    }
  }
}

function read(url: URL, text: string): Statement {
  const settings = new Map<string, string>();
  const params = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (name.startsWith(PARAM)) params.set(name.slice(PARAM.length), value);
    else if (!NOT_SETTINGS.has(name)) settings.set(name, value);
  }
  const query = url.searchParams.get('query');
  return query === null ? { sql: text, rows: '', settings, params } : { sql: query, rows: text, settings, params };
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > REQUEST_BYTES_MAX) throw new Error(TOO_LONG);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}

function refuse(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  response.statusCode = 500;
  response.setHeader('x-clickhouse-exception-code', CODE.exec(message)?.[1] ?? '1002');
  response.end(message);
}
