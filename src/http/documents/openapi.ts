import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Parameters } from '../../wire/parameter.js';
import type { Route } from '../router.js';
import { problem } from './answers.js';
import type { Answer, Operation, Section } from './operation.js';
import { type Json, Schemas } from './schemas.js';

const TOKEN = 'bearer';
const TEXT = { schema: { type: 'string' } };
const PATH_PARAMETER = /\{(\w+)\}/g;

const DESCRIPTION = `Candles of every market that this server follows, live and back to the first; signals and rules for users.

- Errors are problem details (RFC 9457) with a \`detail\` that says what would be right, and where one status has several meanings a \`code\` for programs. Compatible surfaces answer theirs.
- With 429, and with 503, comes \`Retry-After\`.
- \`X-Request-Id\` is echoed, or made.
- Answers may gain members: ignore what you do not know. Requests are read strictly: what is unknown is refused.
- GET routes answer HEAD too. Any web page may read what is for everybody under /v1/ and /udf/.
- What comes live is described in [/asyncapi.json](/asyncapi.json).`;

/**
 * OpenAPI 3.1 of the routes that a server has, made in many turns of the event loop. @see https://spec.openapis.org/oas/v3.1.1.html
 * @throws where a route is not described
 */
export async function openApi(
  version: string,
  sections: readonly Section[],
  routes: readonly Pick<Route, 'method' | 'path'>[],
): Promise<Json> {
  const had = new Set(routes.map(({ method, path }) => `${method} ${path}`));
  const present = sections
    .map((section) => ({
      ...section,
      operations: section.operations.filter(({ method, path }) => had.has(`${method} ${path}`)),
    }))
    .filter(({ operations }) => operations.length > 0);
  const described = new Set(
    present.flatMap(({ operations }) => operations.map(({ method, path }) => `${method} ${path}`)),
  );
  const missing = [...had].filter((route) => !described.has(route));
  if (missing.length > 0) throw new Error(`routes without a description: ${missing.join(', ')}`);

  const schemas = new Schemas('draft-2020-12');
  // What is sent comes first: its names are as strict as it is read.
  for (const { body } of present.flatMap(({ operations }) => operations)) {
    if (body !== undefined) schemas.sent(body.schema);
    await nextTurn();
  }
  const other = schemas.answered(problem);
  const paths: Record<string, Record<string, Json>> = {};
  for (const { name, operations } of present) {
    for (const operation of operations) {
      const methods = paths[operation.path] ?? {};
      methods[operation.method.toLowerCase()] = toOperation(operation, name, other, schemas);
      paths[operation.path] = methods;
      await nextTurn();
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Candlecast',
      version,
      summary: 'Self-hosted streaming of market data.',
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This server.' }],
    tags: present.map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      schemas: schemas.components,
      securitySchemes: {
        [TOKEN]: {
          type: 'http',
          scheme: 'bearer',
          description: 'An access token of a login, or an API key. Never in an address.',
        },
      },
    },
  };
}

function toOperation(operation: Operation, tag: string, other: Json, schemas: Schemas): Json {
  const { id, summary, access, path } = operation;
  const parameters = [
    ...[...path.matchAll(PATH_PARAMETER)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', format: 'uuid' },
    })),
    ...toParameters('query', operation.parameters ?? {}),
    ...toParameters('header', operation.headers ?? {}),
  ];
  const answers = Object.entries(operation.answers).map(([status, answer]) => [
    status,
    toAnswer(Number(status), answer, schemas),
  ]);
  const isProblem = Object.values(operation.answers).every(({ type }) => type !== 'application/json');
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...toDescription(operation),
    ...(access === 'everybody' ? {} : { security: access === 'visitors' ? [{}, { [TOKEN]: [] }] : [{ [TOKEN]: [] }] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(operation.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              'application/json': { schema: schemas.sent(operation.body.schema), example: operation.body.example },
              ...(operation.body.textType === undefined ? {} : { [operation.body.textType]: TEXT }),
            },
          },
        }),
    responses: {
      ...Object.fromEntries(answers),
      ...(isProblem
        ? { default: { description: 'Any other problem.', content: { 'application/problem+json': { schema: other } } } }
        : {}),
    },
  };
}

function toDescription({ description, access }: Operation): Json {
  const sentences = [
    ...(description === undefined ? [] : [description]),
    ...(typeof access === 'string' ? [] : [accessOf(access)]),
  ].filter((sentence) => sentence !== '');
  return sentences.length === 0 ? {} : { description: sentences.join('\n\n') };
}

function accessOf({ roles, scope }: Exclude<Operation['access'], string>): string {
  const role = roles === undefined ? '' : `Needs the role ${roles.join(' or ')}. `;
  return `${role}${scope === null ? '' : `An API key needs the scope \`${scope}\`.`}`.trim();
}

function toParameters(where: 'query' | 'header', parameters: Parameters): Json[] {
  return Object.entries(parameters).map(([name, { description, schema, required, example }]) => ({
    name,
    in: where,
    ...(required === undefined ? {} : { required }),
    description,
    schema,
    ...(example === undefined ? {} : { example }),
  }));
}

function toAnswer(status: number, answer: Answer, schemas: Schemas): Json {
  const { description, headers } = answer;
  const content = contentOf(status, answer, schemas);
  return {
    description,
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
          ),
        }),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  };
}

function contentOf(status: number, { schema, type, textType, example }: Answer, schemas: Schemas): Json {
  const usual = status < 400 ? 'application/json' : 'application/problem+json';
  const shown = example === undefined ? {} : { example };
  return {
    ...(schema === undefined ? {} : { [type ?? usual]: { schema: schemas.answered(schema), ...shown } }),
    ...(textType === undefined ? {} : { [textType]: TEXT }),
  };
}
