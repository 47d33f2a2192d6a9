import { byId, h } from '../dom.js';
import type { AsyncApi, OpenApi, Operation } from './documents.js';
import { badge, operationOf } from './operation.js';
import { entriesOf, streamOf } from './stream.js';
import { paragraphs } from './text.js';

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

interface Section {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly routes: readonly Route[];
}

/** Draws both documents. */
export async function show(): Promise<void> {
  try {
    const [openApi, asyncApi] = await Promise.all([read<OpenApi>('/openapi.json'), read<AsyncApi>('/asyncapi.json')]);
    byId('version').textContent = openApi.info.version;
    const sections = sectionsOf(openApi);
    const [first, ...rest] = sections.map((section) => sectionOf(section, openApi));
    byId('content').replaceChildren(
      h(
        'section',
        { id: 'introduction' },
        h('h1', {}, 'API'),
        h('div', { class: 'prose wide' }, ...paragraphs(openApi.info.description)),
      ),
      first ?? '',
      streamOf(asyncApi),
      ...rest,
    );
    byId('entries').replaceChildren(...contentsOf(sections, asyncApi));
    if (location.hash !== '') document.getElementById(location.hash.slice(1))?.scrollIntoView();
    followReader();
  } catch (error) {
    byId('loading').textContent =
      `The documents cannot be read now: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function read<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return (await response.json()) as T;
}

function sectionsOf({ tags, paths }: OpenApi): Section[] {
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  return tags.map(({ name, description }) => ({
    id: name.toLowerCase().replace(/\W+/g, '-'),
    name,
    description,
    routes: routes.filter(({ operation }) => operation.tags.includes(name)),
  }));
}

function sectionOf({ id, name, description, routes }: Section, { components }: OpenApi): HTMLElement {
  return h(
    'section',
    { id, 'data-testid': 'section' },
    h('h2', {}, h('a', { href: `#${id}` }, name)),
    h('div', { class: 'prose wide' }, ...paragraphs(description)),
    ...routes.map(({ method, path, operation }) => operationOf(method, path, operation, components.schemas)),
  );
}

function contentsOf(sections: readonly Section[], asyncApi: AsyncApi): HTMLElement[] {
  const [first, ...rest] = sections.map(({ id, name, routes }) =>
    group(
      id,
      name,
      routes.map(({ method, path, operation }) => entry(operation.operationId, badge(method), operation.summary, path)),
    ),
  );
  const messages = entriesOf(asyncApi).map(({ id, label, kind }) =>
    entry(id, h('span', { class: 'method', 'data-method': kind }, kind === 'send' ? '→' : '←'), label, label),
  );
  return [...(first === undefined ? [] : [first]), group('websocket', 'WebSocket', messages), ...rest];
}

function group(id: string, name: string, entries: readonly HTMLElement[]): HTMLElement {
  return h('div', { class: 'group' }, h('a', { href: `#${id}`, class: 'group-name' }, name), h('ul', {}, ...entries));
}

function entry(id: string, mark: HTMLElement, label: string, more: string): HTMLElement {
  const words = `${label} ${more}`.toLowerCase();
  return h('li', { 'data-words': words }, h('a', { href: `#${id}`, title: more }, mark, h('span', {}, label)));
}

/** Marks in the contents what is being read. */
function followReader(): void {
  const links = new Map([...byId('entries').querySelectorAll('a')].map((link) => [link.hash.slice(1), link]));
  let current: HTMLAnchorElement | null = null;
  const observer = new IntersectionObserver(
    (entries) => {
      const seen = entries.find(({ isIntersecting }) => isIntersecting);
      const link = seen && links.get(seen.target.id);
      if (link === undefined || link === current) return;
      current?.removeAttribute('aria-current');
      link.setAttribute('aria-current', 'true');
      current = link;
      const [box, list] = [link.getBoundingClientRect(), byId('contents').getBoundingClientRect()];
      if (box.top < list.top || box.bottom > list.bottom) link.scrollIntoView({ block: 'center' });
    },
    { rootMargin: '-110px 0px -70% 0px' },
  );
  for (const article of byId('content').querySelectorAll('article[id]')) observer.observe(article);
}

/** Shows only the entries that have every word. */
export function filter(text: string): void {
  const words = text.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const group of byId('entries').querySelectorAll<HTMLElement>('.group')) {
    const items = [...group.querySelectorAll<HTMLElement>('li')];
    for (const item of items) item.hidden = !words.every((word) => item.dataset.words?.includes(word) === true);
    group.hidden = items.every((item) => item.hidden);
    shown += items.filter((item) => !item.hidden).length;
  }
  byId('no-entry').hidden = shown > 0;
}
