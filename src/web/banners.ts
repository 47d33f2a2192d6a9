import { type Action, showBanner } from './notices.js';

/** What may need saying, the more important first: only one line is shown. */
const ORDER = ['link', 'history', 'feed', 'gap'] as const;

export type Topic = (typeof ORDER)[number];

interface Banner {
  readonly text: string;
  readonly tone: 'warn' | 'bad';
  readonly action: Action | null;
}

export class Banners {
  readonly #banners = new Map<Topic, Banner>();

  set(topic: Topic, text: string, tone: 'warn' | 'bad' = 'warn', action: Action | null = null): void {
    this.#banners.set(topic, { text, tone, action });
    this.#render();
  }

  clear(topic: Topic): void {
    if (this.#banners.delete(topic)) this.#render();
  }

  #render(): void {
    const banner = ORDER.map((topic) => this.#banners.get(topic)).find((found) => found !== undefined);
    if (banner === undefined) showBanner(null);
    else showBanner(banner.text, banner.tone, banner.action);
  }
}
