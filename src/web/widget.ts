import type { SymbolStatus } from '../market/event.js';
import { Channels } from './channels.js';
import { ChartView, type ScreenBar } from './chart.js';
import { Connection, type Link } from './connection.js';
import { byId, setData, setText } from './dom.js';
import { type EmbedOptions, parseEmbedOptions } from './embedOptions.js';
import { emptyContent } from './empty.js';
import { showFeed, showPrice } from './headline.js';
import { bindChartKeys } from './keys.js';
import { showLegend } from './legend.js';
import { Market } from './market.js';
import { showEmpty } from './notices.js';
import { Quotes } from './quotes.js';
import { StaleChannels } from './stale.js';

const LINK_NAMES: Readonly<Record<Link['kind'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  stale: 'No heartbeat',
  waiting: 'Reconnecting',
  failed: 'Refused',
};
const systemDark = matchMedia('(prefers-color-scheme: dark)');

/** What the page around is told. */
export interface EmbedMessage {
  readonly candlecast: 1;
  readonly symbol: string | null;
  readonly interval: string;
  readonly state: string;
  readonly link: string;
  /** Of the newest candle; null: there is none. */
  readonly price: string | null;
}

/** What a test can read. */
export interface WidgetApi {
  bars(): ScreenBar[];
  state(): EmbedMessage;
}

/** The chart in a frame of another page: one market, no settings but those of the address, nobody's account. */
export class Widget {
  readonly #connection: Connection;
  readonly #channels: Channels;
  readonly #chart: ChartView;
  readonly #quotes: Quotes;
  readonly #stale = new StaleChannels();
  readonly #statuses = new Map<string, SymbolStatus>();
  #options: EmbedOptions = parseEmbedOptions('', '');
  #market: Market | null = null;
  #pointed: number | null = null;
  #told = '';

  constructor(url: string) {
    this.#connection = new Connection(url, {
      onLink: () => this.#render(),
      onOpen: () => this.#channels.reopen(),
      onMessage: (message) => {
        this.#channels.receive(message);
        if (this.#stale.take(message)) this.#render();
      },
    });
    this.#channels = new Channels((message) => this.#connection.send(message));
    this.#quotes = new Quotes(this.#channels, () => this.#render());
    this.#chart = new ChartView(byId('canvas'), {
      onCrosshair: (time) => {
        this.#pointed = time;
        this.#renderLegend();
      },
      onNearStart: () => this.#market?.loadOlder(),
      onFollowing: (following) => {
        byId('latest').hidden = following || this.#market?.state.kind !== 'ready';
      },
    });
  }

  start(): void {
    this.#channels.subscribe('status', 0, { onStatus: (changed) => this.#statusChanged(changed) });
    window.addEventListener('hashchange', () => this.#apply());
    systemDark.addEventListener('change', () => this.#applyTheme());
    byId('latest').addEventListener('click', () => this.#chart.toLatest());
    bindChartKeys(byId('canvas'), this.#chart);
    this.#apply();
    this.#connection.start();
  }

  api(): WidgetApi {
    return { bars: () => this.#chart.screenBars(), state: () => this.#message() };
  }

  #apply(): void {
    this.#options = parseEmbedOptions(location.search, location.hash);
    const { symbol, interval, indicators } = this.#options;
    this.#applyTheme();
    this.#chart.setIndicators(indicators);
    if (this.#market?.symbol !== symbol || this.#market?.interval !== interval) this.#open(symbol);
    this.#render();
  }

  #open(symbol: string | null): void {
    this.#market?.close();
    this.#market = null;
    this.#pointed = null;
    if (symbol === null) return;
    const { interval } = this.#options;
    const events = { onChange: () => this.#render(), onGap: () => {}, onHistory: () => {} };
    this.#market = new Market(symbol, interval, this.#channels, this.#chart, events);
    this.#quotes.follow([symbol], null);
    setText(byId('symbol-name'), symbol);
    byId<HTMLAnchorElement>('open').href = `/#${symbol}/${interval}`;
    this.#market.open();
  }

  #applyTheme(): void {
    const { theme } = this.#options;
    const shown = theme === 'auto' ? (systemDark.matches ? 'dark' : 'light') : theme;
    setData(document.documentElement, 'theme', shown);
    this.#chart.applyColors();
  }

  #statusChanged(changed: readonly SymbolStatus[]): void {
    for (const status of changed) this.#statuses.set(status.symbol, status);
    this.#render();
  }

  #render(): void {
    const market = this.#market;
    const { kind } = this.#connection.link;
    const isStale = kind === 'live' && this.#stale.any;
    setData(byId('link'), 'state', isStale ? 'stale' : kind);
    setText(byId('link-label'), isStale ? 'Stale' : LINK_NAMES[kind]);
    const status = market === null ? undefined : this.#statuses.get(market.symbol);
    showFeed(status, status?.synthetic === true);
    showPrice(market, market === null ? undefined : this.#quotes.day(market.symbol));
    showEmpty(
      market === null ? NO_SYMBOL : withoutChoice(emptyContent(market, this.#connection.link, false, () => {})),
    );
    this.#renderLegend();
    this.#tell();
  }

  #renderLegend(): void {
    const market = this.#market;
    if (market === null) return;
    showLegend(byId('legend'), market, this.#pointed, (time) => this.#chart.indicators.readings(time));
  }

  #message(): EmbedMessage {
    const { symbol, interval } = this.#options;
    const state = this.#market?.state.kind ?? 'none';
    const link = this.#connection.link.kind;
    return { candlecast: 1, symbol, interval, state, link, price: this.#market?.bars.last?.c ?? null };
  }

  /** Whatever page is around: prices are for everybody. */
  #tell(): void {
    const message = this.#message();
    const text = JSON.stringify(message);
    if (text === this.#told || window.parent === window) return;
    this.#told = text;
    window.parent.postMessage(message, '*');
  }
}

const NO_SYMBOL = { title: 'Candlecast', text: 'No symbol is named, such as <candlecast-chart symbol="BTCUSDT">.' };

/** There is no list of symbols to choose from here. */
function withoutChoice(content: ReturnType<typeof emptyContent>): ReturnType<typeof emptyContent> {
  if (content?.action?.label !== 'Choose a symbol') return content;
  return { title: content.title, text: content.text };
}
