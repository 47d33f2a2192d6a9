import type { EmbedMessage } from './widget.js';

const NAME = 'candlecast-chart';
const ATTRIBUTES = ['symbol', 'interval', 'theme', 'indicators', 'server'];
const HOST_STYLE = ':host { display: block; height: 420px; } :host([hidden]) { display: none; }';

/** Of a module there is no current script: then the one with our name. */
function ownOrigin(): string {
  const { currentScript } = document;
  const own = currentScript instanceof HTMLScriptElement ? currentScript : null;
  const script = own ?? document.querySelector<HTMLScriptElement>('script[src$="/embed.js"]');
  return new URL(script?.src ?? location.href, location.href).origin;
}

/**
 * `<candlecast-chart symbol interval theme indicators>`: a live chart, in a frame, so that nothing of the page around can break it, nor
 * it the page. Fires `candlecast-change` with {symbol, interval, state, link, price}.
 */
export function define(): void {
  if (customElements.get(NAME) !== undefined) return;
  const home = ownOrigin();

  class CandlecastChart extends HTMLElement {
    static readonly observedAttributes = ATTRIBUTES;
    readonly #frame = document.createElement('iframe');
    readonly #listen = (event: MessageEvent<EmbedMessage>) => this.#heard(event);

    constructor() {
      super();
      const root = this.attachShadow({ mode: 'open' });
      // Neither is touched by the page's Content-Security-Policy.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(HOST_STYLE);
      root.adoptedStyleSheets = [sheet];
      Object.assign(this.#frame.style, { border: '0', width: '100%', height: '100%', display: 'block' });
      this.#frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-popups');
      this.#frame.setAttribute('loading', 'lazy');
      root.append(this.#frame);
    }

    connectedCallback(): void {
      window.addEventListener('message', this.#listen);
      this.#show();
    }

    disconnectedCallback(): void {
      window.removeEventListener('message', this.#listen);
    }

    attributeChangedCallback(): void {
      if (this.isConnected) this.#show();
    }

    get #server(): string {
      const given = this.getAttribute('server');
      return given !== null && URL.canParse(given) ? new URL(given).origin : home;
    }

    /** What follows `#` changes without loading anew. */
    #show(): void {
      const options = new URLSearchParams();
      for (const name of ATTRIBUTES) {
        const value = this.getAttribute(name);
        if (value !== null && name !== 'server') options.set(name, value);
      }
      const address = `${this.#server}/embed#${options}`;
      if (this.#frame.src !== address) this.#frame.src = address;
      this.#frame.title = `Live chart of ${this.getAttribute('symbol') ?? 'a market'}`;
    }

    #heard({ source, origin, data }: MessageEvent<EmbedMessage>): void {
      if (source !== this.#frame.contentWindow || origin !== this.#server || data?.candlecast !== 1) return;
      const { symbol, interval, state, link, price } = data;
      this.dispatchEvent(new CustomEvent('candlecast-change', { detail: { symbol, interval, state, link, price } }));
    }
  }
  customElements.define(NAME, CandlecastChart);
}
