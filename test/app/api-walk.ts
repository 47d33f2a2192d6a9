import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { SECTIONS } from '../../src/app/api-documents.js';
import type { Answer, Operation } from '../../src/http/documents/operation.js';
import type { Server } from '../support/server.js';

/** Analytics answer from another database, in test/http/analytics. */
const isElsewhere = (path: string): boolean => path.startsWith('/v1/analytics/');

/** Those whose answers are looked at here. */
export const OPERATIONS = new Map(
  SECTIONS.flatMap(({ operations }) =>
    operations.filter(({ path }) => !isElsewhere(path)).map((one) => [one.id, one] as const),
  ),
);

export interface Asked {
  readonly token?: string;
  /** In place of `{id}`. */
  readonly path?: string;
  /** Default: the examples of the parameters that are required. */
  readonly query?: Readonly<Record<string, string | number>> | string;
  /** Default: the example; text is sent as it is, null: none. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Asks a server as its description says, and holds every answer against it twice: the strict schema that the description is made of,
 * and the JSON Schema of the document that is served.
 */
export class Walk {
  /** `operation status`, and `operation status code` where the answer has one. */
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor(
    readonly server: Server,
    document: object,
  ) {
    formats.default(this.#ajv);
    this.#ajv.addSchema(document, 'api');
  }

  /** @returns the body. Rejects where the answer is not the expected one, or not as documented. */
  async ask<T = unknown>(id: string, status: number, asked: Asked = {}): Promise<T> {
    const operation = this.operation(id);
    const abort = new AbortController();
    const response = await fetch(this.#url(operation, asked), { ...init(operation, asked), signal: abort.signal });
    const isEndless = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const text = isEndless ? '' : await response.text();
    abort.abort();
    const said = `${id} ${JSON.stringify(asked).slice(0, 200)}: ${response.status} ${text.slice(0, 500)}`;
    if (response.status !== status) throw new Error(`expected ${status}: ${said}`);
    const answer = operation.answers[status];
    if (answer === undefined) throw new Error(`not documented: ${said}`);
    const body = this.#check(operation, status, answer, response.headers, text, said);
    this.seen.add(`${id} ${status}`);
    const code = body !== null && typeof body === 'object' && 'code' in body ? body.code : undefined;
    if (typeof code === 'string') this.seen.add(`${id} ${status} ${code}`);
    return body as T;
  }

  operation(id: string): Operation {
    const operation = OPERATIONS.get(id);
    if (operation === undefined) throw new Error(`no operation ${id}`);
    return operation;
  }

  #url({ path, parameters = {} }: Operation, { path: id = '', query }: Asked): string {
    const examples = Object.entries(parameters).flatMap(([name, { required, example }]) =>
      required === true ? [[name, String(example)] as const] : [],
    );
    const given = query ?? Object.fromEntries(examples);
    const search =
      typeof given === 'string'
        ? given
        : new URLSearchParams(Object.entries(given).map(([name, value]): [string, string] => [name, String(value)]));
    return `${this.server.url}${path.replace('{id}', id)}?${search}`;
  }

  #check(operation: Operation, status: number, answer: Answer, headers: Headers, text: string, said: string): unknown {
    const usual = status < 400 ? 'application/json' : 'application/problem+json';
    const type = answer.type ?? (answer.schema === undefined ? (answer.textType ?? null) : usual);
    const sent = headers.get('content-type')?.split(';')[0] ?? null;
    if (sent !== type) throw new Error(`of type ${sent}, not ${type}: ${said}`);
    for (const name of ['Retry-After', 'WWW-Authenticate', 'X-MBX-USED-WEIGHT-1M', 'ETag'])
      if (answer.headers?.[name] !== undefined && !headers.has(name)) throw new Error(`without ${name}: ${said}`);
    if (headers.has('Retry-After') && answer.headers?.['Retry-After'] === undefined)
      throw new Error(`Retry-After is not documented: ${said}`);
    if (answer.schema === undefined) return null;
    const body: unknown = JSON.parse(text);
    const parsed = answer.schema.safeParse(body);
    if (!parsed.success) throw new Error(`not as documented: ${said}: ${parsed.error.message}`);
    const pointer = [
      'paths',
      operation.path,
      operation.method.toLowerCase(),
      'responses',
      String(status),
      'content',
      type ?? '',
      'schema',
    ];
    const $ref = `api#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    if (!this.#ajv.validate({ $ref }, body))
      throw new Error(`not as in the document: ${said}: ${this.#ajv.errorsText()}`);
    return body;
  }
}

function init({ method, body }: Operation, { token, body: given, headers }: Asked): RequestInit {
  const sent = given === undefined ? body?.example : given;
  return {
    method,
    headers: {
      ...(sent === undefined || sent === null ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(sent === undefined || sent === null ? {} : { body: typeof sent === 'string' ? sent : JSON.stringify(sent) }),
  };
}
