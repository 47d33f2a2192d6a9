import { byId, h } from '../dom.js';

const COPIED_MS = 1500;
const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?)/g;

/** A block of code that can be copied. */
export function code(title: string, text: string, language: 'json' | 'shell'): HTMLElement {
  const button = h('button', { type: 'button', class: 'copy', 'data-testid': 'copy' }, 'Copy');
  button.addEventListener('click', () => void copy(button, text));
  const body = h('code', {}, ...(language === 'json' ? colored(text) : [text]));
  return h(
    'figure',
    { class: 'code' },
    h('figcaption', {}, h('span', {}, title), button),
    h('pre', { tabindex: 0 }, body),
  );
}

/** Short lists stay on a line. */
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /\[\n\s+([^[\]{}]{1,60}?)\n\s+\]/g,
    (_, inside: string) => `[${inside.replace(/\s*\n\s*/g, ' ')}]`,
  );
}

async function copy(button: HTMLButtonElement, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // Pages that are not served over HTTPS have no clipboard: the text can still be marked.
    button.textContent = 'Not allowed here';
  }
  byId('live-region').textContent = button.textContent;
  setTimeout(() => (button.textContent = 'Copy'), COPIED_MS);
}

function colored(json: string): (Node | string)[] {
  const parts: (Node | string)[] = [];
  let at = 0;
  for (const match of json.matchAll(TOKENS)) {
    const [whole, text, colon, word] = match;
    parts.push(json.slice(at, match.index));
    const kind = text === undefined ? (word === undefined ? 'number' : 'word') : colon === undefined ? 'string' : 'key';
    parts.push(h('span', { class: `t-${kind}` }, text ?? whole), colon ?? '');
    at = match.index + whole.length;
  }
  return [...parts, json.slice(at)];
}
