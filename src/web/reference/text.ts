import { h } from '../dom.js';

/** The little Markdown that descriptions use: paragraphs, lists, `code`, links. */

const INLINE = /`([^`]+)`|\[([^\]]+)\]\((\/[^)\s]*)\)/g;

export function paragraphs(text: string): HTMLElement[] {
  return text.split(/\n{2,}/).map((block) => (block.startsWith('- ') ? list(block) : h('p', {}, ...inline(block))));
}

export function inline(text: string): (Node | string)[] {
  const parts: (Node | string)[] = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, label, href] = match;
    parts.push(text.slice(at, match.index));
    parts.push(code === undefined ? h('a', { href: href ?? '' }, label ?? '') : h('code', {}, code));
    at = match.index + whole.length;
  }
  return [...parts, text.slice(at)];
}

function list(block: string): HTMLElement {
  const items = block.split(/\n?- /).filter((item) => item !== '');
  return h('ul', {}, ...items.map((item) => h('li', {}, ...inline(item))));
}
