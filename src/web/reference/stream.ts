import { h } from '../dom.js';
import { code, pretty } from './code.js';
import { type AsyncApi, type Message, nameOf } from './documents.js';
import { members } from './schema.js';
import { inline, paragraphs } from './text.js';

export interface Entry {
  readonly id: string;
  readonly label: string;
  readonly kind: 'send' | 'receive';
}

/** Messages of the WebSocket, those of clients first. */
export function entriesOf(document: AsyncApi): Entry[] {
  return sides(document).flatMap(({ kind, names }) =>
    names.map((name) => ({ id: `ws-${kind}-${name}`, label: name, kind })),
  );
}

export function streamOf(document: AsyncApi): HTMLElement {
  const { info, channels, components } = document;
  const stream = channels.stream;
  const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${stream?.address ?? ''}`;
  const { payload } = components.messages.subscribe?.examples[0] ?? {};
  const auth = Object.values(components.securitySchemes)[0]?.description ?? '';
  return h(
    'section',
    { id: 'websocket', 'data-testid': 'section' },
    h('h2', {}, h('a', { href: '#websocket' }, 'WebSocket')),
    h(
      'p',
      { class: 'route' },
      h('span', { class: 'method', 'data-method': 'ws' }, 'WS'),
      h('code', {}, stream?.address ?? ''),
    ),
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        { class: 'prose' },
        ...paragraphs(info.description),
        ...paragraphs(stream?.description ?? ''),
        h('p', {}, h('b', {}, 'Token: '), ...inline(auth)),
      ),
      h(
        'div',
        { class: 'examples' },
        code('Shell', `npx wscat -c ${url} \\\n  -x '${JSON.stringify(payload)}' -w 60`, 'shell'),
      ),
    ),
    ...sides(document).flatMap(({ kind, title, names }) => [
      h('h3', { class: 'side' }, title),
      ...names.flatMap((name) => {
        const message = components.messages[name];
        return message === undefined ? [] : [messageOf(`ws-${kind}-${name}`, message, document)];
      }),
    ]),
    codes('error-codes', 'Errors', 'An error is a reply: the connection goes on.', document['x-error-codes']),
    codes(
      'close-codes',
      'Closes',
      '1001, 1012, 1013 and 4000–4099: reconnect (with jitter) and resume. Others: fix the client first.',
      document['x-close-codes'],
    ),
  );
}

function sides({ operations }: AsyncApi) {
  const all = Object.values(operations);
  const requests = all.filter(({ action }) => action === 'receive').flatMap(({ messages }) => messages.map(nameOf));
  return [
    { kind: 'send', title: 'You send', names: requests },
    { kind: 'receive', title: 'You get', names: operations.push?.messages.map(nameOf) ?? [] },
  ] as const;
}

function messageOf(id: string, { name, summary, payload, examples }: Message, { components }: AsyncApi): HTMLElement {
  const [example] = examples;
  return h(
    'article',
    { id, 'data-testid': 'message' },
    h('h4', { class: 'message' }, h('a', { href: `#${id}` }, name)),
    h(
      'div',
      { class: 'columns' },
      h('div', { class: 'prose' }, h('p', {}, ...inline(summary)), members(payload, components.schemas)),
      h('div', { class: 'examples' }, example === undefined ? null : code('Message', pretty(example.payload), 'json')),
    ),
  );
}

function codes(id: string, title: string, text: string, meanings: Readonly<Record<string, string>>): HTMLElement {
  const rows = Object.entries(meanings).flatMap(([name, meaning]) => [
    h('dt', {}, h('code', { class: 'name' }, name)),
    h('dd', {}, ...inline(meaning)),
  ]);
  return h('article', { id }, h('h3', {}, title), h('p', {}, text), h('dl', { class: 'members' }, ...rows));
}
