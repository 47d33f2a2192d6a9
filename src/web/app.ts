import type { SymbolStatus } from '../market/event.js';
import { bucketEnd, type Interval } from '../market/interval.js';
import type { WireSignal } from '../wire/signals.js';
import { AccountPanel } from './account.js';
import { useToken } from './api.js';
import { Banners } from './banners.js';
import { Catalogue } from './catalogue.js';
import { Channels } from './channels.js';
import { ChartView, type ScreenBar } from './chart.js';
import { Connection, type Link } from './connection.js';
import { byId, setData, setText } from './dom.js';
import { emptyContent } from './empty.js';
import { formatClock, formatCountdown, formatSpan } from './format.js';
import { showFeed, showPrice } from './headline.js';
import { Health } from './health.js';
import type { HistoryState } from './history.js';
import { IndicatorMenu } from './indicatorMenu.js';
import { IntervalPicker } from './intervals.js';
import { bindChartKeys } from './keys.js';
import { showLegend } from './legend.js';
import { Market } from './market.js';
import { announce, showEmpty } from './notices.js';
import { Quotes } from './quotes.js';
import { formatRoute, parseRoute } from './route.js';
import { Session } from './session.js';
import { SymbolPicker } from './symbols.js';
import { applyTheme, onSystemTheme, toggleTheme } from './theme.js';
import { UserSignals } from './userSignals.js';

const GAP_NOTICE_MS = 60_000;
const TICK_MS = 250;
/** Closes that end a login, not the page: it comes back with a fresh token, or as a visitor. */
const SESSION_CLOSES: ReadonlySet<number> = new Set([4103, 4104]);
const SESSION_ENDED = 4103;

/** What a test or the console can read from the page. */
export interface PageApi {
  /** What the series hold, whitespace left out; time in seconds. */
  bars(): ScreenBar[];
  gaps(): readonly { from: number; to: number; reason: string }[];
  /** Markers of signals; time in seconds. */
  markers(): { time: number; text: string }[];
  /** What the indicators that are shown say at the newest candle, by name. */
  indicators(): Record<string, readonly (number | null)[]>;
  /** Visible part of the time scale, epoch ms. */
  visible(): { from: number; to: number } | null;
  state(): { symbol: string | null; interval: Interval; link: Link['kind']; market: string };
}

/** The page: wires the parts and shows what they say. */
export class App {
  readonly #banners = new Banners();
  readonly #connection: Connection;
  readonly #channels: Channels;
  readonly #catalogue = new Catalogue(() => this.#catalogueChanged());
  readonly #quotes: Quotes;
  readonly #symbols: SymbolPicker;
  readonly #intervals: IntervalPicker;
  readonly #health: Health;
  readonly #chart: ChartView;
  readonly #session: Session;
  readonly #signals: UserSignals;
  readonly #account: AccountPanel;
  #market: Market | null = null;
  #looked: readonly string[] = [];
  #pointed: number | null = null;
  #gapTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    this.#connection = new Connection(url, {
      onLink: (link) => this.#linkChanged(link),
      onOpen: () => this.#opened(),
      onMessage: (message) => {
        this.#health.heard(message);
        this.#signals.receive(message);
        if (message.type === 'authenticated') this.#identified();
        this.#channels.receive(message);
      },
    });
    this.#channels = new Channels((message) => this.#connection.send(message));
    this.#quotes = new Quotes(this.#channels, (symbol) => this.#quoteChanged(symbol));
    this.#symbols = new SymbolPicker(
      this.#quotes,
      (symbol) => this.#go(symbol, this.#interval),
      (symbols) => this.#look(symbols),
    );
    this.#intervals = new IntervalPicker((interval) => this.#go(this.#market?.symbol ?? null, interval));
    this.#health = new Health(() => this.#connection);
    this.#chart = new ChartView(byId('canvas'), {
      onCrosshair: (time) => {
        this.#pointed = time;
        this.#renderLegend();
      },
      onNearStart: () => this.#market?.loadOlder(),
      onFollowing: (following) => this.#showLatestButton(following),
    });
    const menu = new IndicatorMenu((ids) => {
      this.#chart.setIndicators(ids);
      this.#renderLegend();
    });
    this.#chart.setIndicators(menu.chosen);
    this.#session = new Session(() => this.#sessionChanged());
    useToken(() => this.#session.token());
    this.#signals = new UserSignals(this.#session, this.#connection, (fresh) => this.#signalsChanged(fresh));
    this.#account = new AccountPanel(this.#session);
  }

  start(): void {
    this.#channels.subscribe('status', 0, {
      onCandles: () => this.#health.forget(),
      onStatus: (changed) => this.#statusChanged(changed),
    });
    this.#bind();
    this.#navigate();
    this.#connection.start();
    setInterval(() => this.#tick(), TICK_MS);
  }

  api(): PageApi {
    return {
      bars: () => this.#chart.screenBars(),
      gaps: () => this.#market?.bars.gaps ?? [],
      markers: () => this.#chart.markers.drawn(),
      indicators: () => this.#readings(),
      visible: () => this.#chart.visibleTimes(),
      state: () => ({
        symbol: this.#market?.symbol ?? null,
        interval: this.#interval,
        link: this.#connection.link.kind,
        market: this.#market?.state.kind ?? 'none',
      }),
    };
  }

  get #interval(): Interval {
    return parseRoute(location.hash).interval;
  }

  #bind(): void {
    window.addEventListener('hashchange', () => this.#navigate());
    byId('theme-button').addEventListener('click', () => {
      toggleTheme();
      this.#chart.applyColors();
    });
    onSystemTheme(() => {
      applyTheme();
      this.#chart.applyColors();
    });
    byId('latest').addEventListener('click', () => this.#chart.toLatest());
    bindChartKeys(byId('canvas'), this.#chart);
  }

  /** By the address, so that back, forward and links work. */
  #go(symbol: string | null, interval: Interval): void {
    if (symbol === null) history.replaceState(null, '', `#/${interval}`);
    else location.hash = formatRoute(symbol, interval);
    this.#navigate();
  }

  #navigate(): void {
    const { symbol, interval } = parseRoute(location.hash);
    this.#intervals.show(interval);
    if (symbol === null) {
      this.#takeFirstSymbol();
    } else if (this.#market?.symbol !== symbol || this.#market.interval !== interval) {
      this.#openMarket(symbol, interval);
    }
  }

  #takeFirstSymbol(): void {
    const [first] = this.#catalogue.all;
    if (first !== undefined) {
      history.replaceState(null, '', formatRoute(first.symbol, this.#interval));
      this.#navigate();
    } else {
      this.#renderEmpty();
    }
  }

  #openMarket(symbol: string, interval: Interval): void {
    this.#market?.close();
    const market: Market = new Market(symbol, interval, this.#channels, this.#chart, {
      onChange: () => this.#marketChanged(),
      onGap: (gap) => this.#gapNotice(formatSpan(gap.from, gap.to)),
      onHistory: (state, detail) => this.#historyChanged(state, detail),
    });
    this.#market = market;
    this.#pointed = null;
    this.#banners.clear('gap');
    this.#banners.clear('history');
    byId('loading').hidden = true;
    this.#followQuotes();
    this.#signals.setSymbol(symbol);
    market.open();
    this.#symbols.setCurrent(symbol);
    setText(byId('symbol-name'), symbol);
    byId<HTMLAnchorElement>('analytics-link').href = `/analytics#${symbol}`;
    announce(`${symbol}, ${interval}`);
    this.#renderFeed();
    this.#marketChanged();
  }

  #look(symbols: readonly string[]): void {
    this.#looked = symbols;
    this.#followQuotes();
  }

  #followQuotes(): void {
    const market = this.#market;
    const taken = market?.interval === '1d' ? market.symbol : null;
    this.#quotes.follow(market === null ? this.#looked : [market.symbol, ...this.#looked], taken);
  }

  #opened(): void {
    void this.#catalogue.load();
    if (!this.#session.isIn) {
      this.#channels.reopen();
      void this.#session.restore();
      return;
    }
    // The user first: a visitor may not have the channels.
    void this.#signals.identify().finally(() => this.#channels.reopen());
  }

  #sessionChanged(): void {
    if (this.#session.isIn) void this.#signals.identify();
    else this.#signals.forget();
    this.#account.render(this.#signals.all);
  }

  /** What was refused to a visitor may be given to the user. */
  #identified(): void {
    if (this.#market?.state.kind === 'refused') this.#market.retry();
  }

  #signalsChanged(fresh: WireSignal | null): void {
    const { all } = this.#signals;
    this.#chart.markers.show(all, this.#market?.interval ?? this.#interval);
    this.#account.render(all);
    if (fresh !== null) announce(`Signal: ${fresh.type}, ${fresh.symbol}`);
  }

  #readings(): Record<string, readonly (number | null)[]> {
    const readings = this.#chart.indicators.readings(this.#market?.bars.last?.t ?? 0);
    return Object.fromEntries(readings.map(({ info, values }) => [info.id, values]));
  }

  #linkChanged(link: Link): void {
    this.#health.setLink(link);
    if (link.kind === 'live') {
      if (byId('link').dataset.lost === 'true') announce('Connected again');
      setData(byId('link'), 'lost', 'false');
      this.#banners.clear('link');
    } else if (link.kind === 'failed' && SESSION_CLOSES.has(link.code)) {
      if (link.code === SESSION_ENDED && this.#session.isIn) this.#session.end();
      this.#connection.retryNow();
    } else if (link.kind === 'failed') {
      this.#banners.set('link', `The server closed the connection (${link.code}): ${link.reason}.`, 'bad', {
        label: 'Connect again',
        run: () => this.#connection.retryNow(),
      });
    } else if (link.kind === 'waiting') {
      if (byId('link').dataset.lost !== 'true') announce('Connection lost, reconnecting');
      setData(byId('link'), 'lost', 'true');
      this.#banners.set(
        'link',
        'The server cannot be reached. What you missed will be filled in when it returns.',
        'warn',
        {
          label: 'Retry now',
          run: () => this.#connection.retryNow(),
        },
      );
    }
    this.#renderEmpty();
  }

  #statusChanged(changed: readonly SymbolStatus[]): void {
    this.#health.update(changed);
    this.#catalogue.learn(changed);
    this.#renderFeed();
  }

  #catalogueChanged(): void {
    this.#symbols.setSymbols(this.#catalogue.all);
    this.#renderFeed();
    this.#navigate();
    this.#renderEmpty();
  }

  #marketChanged(): void {
    const market = this.#market;
    if (market === null) return;
    if (market.interval === '1d') this.#quotes.put(market.symbol, market.bars.last);
    this.#renderLegend();
    this.#renderPrice();
    this.#renderEmpty();
  }

  #quoteChanged(symbol: string): void {
    this.#symbols.refreshQuote(symbol);
    if (symbol === this.#market?.symbol) this.#renderPrice();
  }

  #historyChanged(state: HistoryState, detail: string): void {
    byId('loading').hidden = state !== 'loading';
    if (state !== 'failed') {
      this.#banners.clear('history');
      return;
    }
    this.#banners.set('history', `Older candles cannot be loaded: ${detail}`, 'warn', {
      label: 'Retry',
      run: () => this.#market?.retryOlder(),
    });
  }

  #gapNotice(span: string): void {
    clearTimeout(this.#gapTimer);
    const hide = () => this.#banners.clear('gap');
    this.#gapTimer = setTimeout(hide, GAP_NOTICE_MS);
    const text = `Feed away ${span} UTC. Candles in that time may lack trades; nothing is invented.`;
    this.#banners.set('gap', text, 'warn', { label: 'Dismiss', run: hide });
  }

  #renderFeed(): void {
    const market = this.#market;
    if (market === null) return;
    const status = this.#health.status(market.symbol);
    showFeed(status, this.#catalogue.get(market.symbol)?.synthetic === true || status?.synthetic === true);
    if (status?.state === 'stale') {
      this.#banners.set('feed', `No trades from ${status.source} since ${formatClock(status.since)} UTC.`);
    } else {
      this.#banners.clear('feed');
    }
  }

  #renderPrice(): void {
    showPrice(this.#market, this.#market === null ? undefined : this.#quotes.day(this.#market.symbol));
  }

  #renderLegend(): void {
    if (this.#market !== null) this.#drawLegend(this.#market);
  }

  #drawLegend(market: Market): void {
    showLegend(byId('legend'), market, this.#pointed, (time) => this.#chart.indicators.readings(time));
  }

  #renderEmpty(): void {
    showEmpty(emptyContent(this.#market, this.#connection.link, this.#catalogue.loaded, () => this.#symbols.open()));
  }

  #showLatestButton(following: boolean): void {
    byId('latest').hidden = following || this.#market?.state.kind !== 'ready';
  }

  #tick(): void {
    const now = Date.now() + this.#connection.clockOffsetMs;
    setText(byId('clock'), formatClock(now));
    const last = this.#market?.bars.last;
    const left = last === undefined || last.x ? 0 : bucketEnd(this.#interval, last.t) - now;
    byId('countdown').hidden = left <= 0;
    setText(byId('countdown-value'), formatCountdown(left));
    this.#health.tick();
  }
}
