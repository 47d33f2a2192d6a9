import { h } from '../dom.js';
import { code, pretty } from './code.js';
import type { Content, Operation, Parameter, Response, Schemas } from './documents.js';
import { members, notes, typeOf } from './schema.js';
import { inline, paragraphs } from './text.js';

/** One route: what it takes and answers, and a command that asks it. */
export function operationOf(method: string, path: string, operation: Operation, schemas: Schemas): HTMLElement {
  const { operationId, summary, description, security, parameters = [], requestBody, responses } = operation;
  const [body] = Object.values(requestBody?.content ?? {});
  const example = Object.values(responses['200']?.content ?? responses['201']?.content ?? {}).find(
    (one) => one.example !== undefined,
  );
  return h(
    'article',
    { id: operationId, 'data-testid': 'operation' },
    h('h3', {}, h('a', { href: `#${operationId}` }, summary)),
    h('p', { class: 'route' }, badge(method), h('code', {}, ...breakable(path))),
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        { class: 'prose' },
        ...(description === undefined ? [] : paragraphs(description)),
        accessOf(security),
        parameters.length === 0 ? null : parametersOf(parameters, schemas),
        body === undefined ? null : bodyOf(body, schemas),
        h('h4', {}, 'Answers'),
        ...Object.entries(responses)
          .filter(([status]) => status !== 'default')
          .map(([status, response]) => responseOf(status, response, schemas)),
      ),
      h(
        'div',
        { class: 'examples' },
        code('Shell', curl(method, path, operation), 'shell'),
        example === undefined ? null : code('Answer', pretty(example.example), 'json'),
      ),
    ),
  );
}

export function badge(method: string): HTMLElement {
  return h('span', { class: 'method', 'data-method': method }, method.toUpperCase());
}

/** Long paths break at their slashes. */
function breakable(path: string): (Node | string)[] {
  return path.split(/(?<=\/)/).flatMap((part) => [h('wbr'), part]);
}

function accessOf(security: Operation['security']): HTMLElement {
  const needs = security?.every((scheme) => Object.keys(scheme).length > 0);
  const text =
    security === undefined
      ? 'Open to everybody.'
      : needs
        ? 'Needs a token.'
        : 'Open to visitors; a token gives what its plan gives.';
  return h('p', { class: 'access', 'data-needs': needs }, text);
}

function parametersOf(parameters: readonly Parameter[], schemas: Schemas): HTMLElement {
  const rows = parameters.flatMap(({ name, in: where, required, schema, description }) => [
    h(
      'dt',
      {},
      h('code', { class: 'name' }, name),
      ' ',
      h('span', { class: 'type' }, typeOf(schema)),
      where === 'query' ? null : h('span', { class: 'optional' }, where),
      required === true ? null : h('span', { class: 'optional' }, 'optional'),
    ),
    h('dd', {}, ...inline(description ?? ''), ' ', ...notes(schema, schemas)),
  ]);
  return h('div', {}, h('h4', {}, 'Parameters'), h('dl', { class: 'members' }, ...rows));
}

function bodyOf({ schema }: Content, schemas: Schemas): HTMLElement {
  return h('div', {}, h('h4', {}, 'Body'), members(schema, schemas) ?? h('p', {}, typeOf(schema)));
}

function responseOf(
  status: string,
  { description, headers = {}, content = {} }: Response,
  schemas: Schemas,
): HTMLElement {
  const [type, body] = Object.entries(content)[0] ?? [];
  const summary = h(
    'summary',
    {},
    h('span', { class: 'status', 'data-kind': status.charAt(0) }, status),
    ' ',
    h('span', {}, ...inline(description)),
  );
  const headerRows = Object.entries(headers).map(([name, header]) =>
    h('p', { class: 'note' }, h('code', {}, name), ' ', ...inline(header.description)),
  );
  if (body === undefined && headerRows.length === 0)
    return h('div', { class: 'response plain' }, summary.firstChild, ' ', ...inline(description));
  return h(
    'details',
    { class: 'response' },
    summary,
    type === undefined ? null : h('p', { class: 'note' }, h('code', {}, type)),
    ...headerRows,
    body === undefined ? null : members(body.schema, schemas),
  );
}

/** With everything that must be given, as it may be given. */
function curl(method: string, path: string, { parameters = [], requestBody, security }: Operation): string {
  const required = parameters.filter((one) => one.in === 'query' && one.required === true);
  const query = required.map(({ name, example }) => `${name}=${encodeURIComponent(String(example ?? ''))}`).join('&');
  const url = `${location.origin}${path}${query === '' ? '' : `?${query}`}`;
  const [type, body] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const needs = security?.every((scheme) => Object.keys(scheme).length > 0);
  const options = [
    ...(method === 'get' ? [] : [`-X ${method.toUpperCase()}`]),
    ...(path === '/v1/sse' ? ['-N'] : []),
    `'${url.replace(/\{(\w+)\}/g, '<$1>')}'`,
    ...(needs ? ["-H 'Authorization: Bearer <token>'"] : []),
    ...(type === undefined
      ? []
      : [`-H 'Content-Type: ${type}'`, `-d '${pretty(body?.example).replaceAll("'", "'\\''")}'`]),
  ];
  return `curl ${options.join(' \\\n  ')}`;
}
