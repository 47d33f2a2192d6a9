import type { FeedState, SymbolStatus } from '../market/event.js';
import type { ServerMessage } from '../wire/messages.js';
import type { Connection, Link } from './connection.js';
import { byId, h, setData, setText } from './dom.js';
import { formatAge, formatClock, formatDateTime } from './format.js';
import { attachPopover } from './popover.js';
import { StaleChannels } from './stale.js';

const STATE_NAMES: Readonly<Record<FeedState, string>> = {
  starting: 'Starting',
  live: 'Live',
  stale: 'Stale',
  gap: 'Gap',
  backfilling: 'Backfilling',
  ended: 'Ended',
};
const LINK_NAMES: Readonly<Record<Link['kind'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  stale: 'No heartbeat',
  waiting: 'Reconnecting',
  failed: 'Refused',
};
/** The server is there, but cut off from its source. */
const STALE_NAME = 'Stale';
const DAY_MS = 86_400_000;

/** Connection and feeds: two chips in the header and a panel with the details. */
export class Health {
  readonly #connection: () => Connection;
  readonly #summary = byId('health-button');
  readonly #link = byId('link');
  readonly #panel = byId('health-panel');
  readonly #statuses = new Map<string, SymbolStatus>();
  readonly #stale = new StaleChannels();
  #messageAt = 0;

  constructor(connection: () => Connection) {
    this.#connection = connection;
    const render = () => this.#renderPanel();
    attachPopover(this.#summary, this.#panel, render, () => {});
    this.#link.addEventListener('click', () => {
      if (connection().link.kind === 'waiting' || connection().link.kind === 'failed') connection().retryNow();
      else if (!this.#panel.matches(':popover-open') && !this.#summary.hidden) this.#summary.click();
    });
  }

  status(symbol: string): SymbolStatus | undefined {
    return this.#statuses.get(symbol);
  }

  /** A new subscription tells everything anew. */
  forget(): void {
    this.#statuses.clear();
  }

  /** Takes what changed. */
  update(changed: readonly SymbolStatus[]): void {
    for (const status of changed) this.#statuses.set(status.symbol, status);
    const statuses = this.#sorted();
    const live = statuses.filter((status) => status.state === 'live').length;
    const worst = (['stale', 'gap', 'backfilling', 'starting'] as const).find((state) =>
      statuses.some((status) => status.state === state),
    );
    this.#summary.hidden = statuses.length === 0;
    setData(this.#summary, 'state', worst ?? (live > 0 ? 'live' : 'ended'));
    setText(byId('health-summary'), `Feeds ${live}/${statuses.length}`);
    this.#summary.setAttribute('aria-label', `Feeds ${live}/${statuses.length} live`);
    this.#renderPanel();
  }

  /** A message came: remembered for "last message", and whether it says that data is stale. */
  heard(message: ServerMessage): void {
    this.#messageAt = Date.now();
    if (this.#stale.take(message)) this.#renderLink();
  }

  setLink(link: Link): void {
    if (link.kind !== 'live') this.#stale.clear();
    this.#renderLink();
    this.tick();
  }

  #renderLink(): void {
    const { kind } = this.#connection().link;
    const isStale = kind === 'live' && this.#stale.any;
    setData(this.#link, 'state', isStale ? 'stale' : kind);
    setText(byId('link-label'), isStale ? STALE_NAME : LINK_NAMES[kind]);
  }

  /** Once a second: what ages. */
  tick(): void {
    const { link, roundTripMs } = this.#connection();
    const latency = roundTripMs === null ? '' : formatLatency(roundTripMs);
    const wait = link.kind === 'waiting' ? `${Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000))} s` : '';
    setText(byId('link-detail'), link.kind === 'live' ? latency : wait);
    if (this.#panel.matches(':popover-open')) this.#renderPanel();
  }

  #sorted(): SymbolStatus[] {
    return [...this.#statuses.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  #renderPanel(): void {
    if (!this.#panel.matches(':popover-open')) return;
    const { link, roundTripMs, clockOffsetMs } = this.#connection();
    setText(byId('fact-link'), link.kind === 'live' && this.#stale.any ? STALE_NAME : LINK_NAMES[link.kind]);
    setText(byId('fact-latency'), roundTripMs === null ? '–' : formatLatency(roundTripMs));
    setText(byId('fact-message'), this.#messageAt === 0 ? '–' : ago(Date.now() - this.#messageAt));
    const now = Date.now() + clockOffsetMs;
    byId('health-rows').replaceChildren(...this.#sorted().map((status) => row(status, now)));
  }
}

function row(status: SymbolStatus, now: number): HTMLElement {
  const source = status.synthetic ? `${status.source} · synthetic` : status.source;
  const state = h(
    'div',
    { class: 'state', 'data-state': status.state },
    h('span', { class: 'dot', 'aria-hidden': 'true' }),
  );
  state.append(STATE_NAMES[status.state]);
  return h(
    'tr',
    { 'data-testid': `health-${status.symbol}`, 'data-state': status.state },
    h('th', { scope: 'row' }, status.symbol, h('small', {}, source)),
    h('td', {}, state, h('small', { class: 'state-age' }, since(status.since, now))),
    h('td', {}, ...lastTrade(status.lastTradeTime, now)),
  );
}

/** "14:02:11 · 5 min": when it began, and how long that is. */
function since(time: number, now: number): string {
  const isOld = now - time > DAY_MS;
  return `${isOld ? formatDateTime(time, false) : formatClock(time)} · ${duration(now - time)}`;
}

function lastTrade(time: number | null, now: number): (string | HTMLElement)[] {
  if (time === null) return ['None yet'];
  const old = now - time > DAY_MS;
  return [old ? formatDateTime(time, false) : formatClock(time), h('small', {}, ago(now - time))];
}

function ago(ageMs: number): string {
  const age = formatAge(ageMs);
  return age === 'now' ? 'just now' : `${age} ago`;
}

function duration(ageMs: number): string {
  const age = formatAge(ageMs);
  return age === 'now' ? 'a moment' : age;
}

function formatLatency(ms: number): string {
  return ms < 1 ? '< 1 ms' : `${Math.round(ms)} ms`;
}
