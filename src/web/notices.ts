import { byId, setText } from './dom.js';

export interface Action {
  readonly label: string;
  run(): void;
}

function bindAction(button: HTMLElement, action: Action | null): void {
  button.hidden = action === null;
  setText(button, action?.label ?? '');
  button.onclick = action === null ? null : () => action.run();
}

/** The line above the chart; null takes it away. */
export function showBanner(text: string | null, tone: 'warn' | 'bad' = 'warn', action: Action | null = null): void {
  const banner = byId('banner');
  banner.hidden = text === null;
  banner.dataset.tone = tone;
  if (text !== null) setText(byId('banner-text'), text);
  bindAction(byId('banner-action'), action);
}

/** What stands in place of the chart; null shows the chart. */
export function showEmpty(content: { title: string; text: string; action?: Action } | null): void {
  byId('empty').hidden = content === null;
  if (content === null) return;
  setText(byId('empty-title'), content.title);
  setText(byId('empty-text'), content.text);
  bindAction(byId('empty-action'), content.action ?? null);
}

/** Said once by screen readers. */
export function announce(text: string): void {
  setText(byId('live-region'), text);
}
