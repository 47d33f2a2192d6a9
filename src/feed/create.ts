import { UserError } from '../kit/errors.js';
import { DemoFeed } from './demo/demo.js';
import { MARKETS } from './demo/markets.js';
import type { Feed, FeedContext } from './feed.js';
import { PushFeed } from './push/push.js';
import { requireTradeFile } from './replay/reader.js';
import { ReplayFeed } from './replay/replay.js';
import { type FeedSpec, sourceSymbols } from './spec.js';
import { CcxtFeed } from './venues/ccxt-feed.js';
import { loadCcxt } from './venues/ccxt-load.js';
import { VenueFeed } from './venues/venue-feed.js';

export interface Feeds {
  readonly all: readonly Feed[];
  /** Where POST /v1/trades goes; null when push is not among them. */
  readonly push: PushFeed | null;
}

/** Which of the feeds' symbols to bring; `push` brings whatever is sent. */
export interface FeedShare {
  has(symbol: string): boolean;
  readonly push: boolean;
}

/** For the time before the long part of a start. @throws UserError when a feed cannot be opened or two have the same symbol. */
export async function checkFeeds(specs: readonly FeedSpec[]): Promise<void> {
  feedSymbols(specs);
  for (const spec of specs) {
    if (spec.kind === 'replay') await requireTradeFile(spec.file);
    if (spec.kind === 'ccxt') await loadCcxt(spec.source.exchange);
  }
}

/** The symbols that FEEDS names, with the feed that brings each; those that are pushed are not known before. @throws UserError */
export function feedSymbols(specs: readonly FeedSpec[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const spec of specs) for (const symbol of symbolsOf(spec)) claim(owners, symbol, sourceOf(spec));
  return owners;
}

function symbolsOf(spec: FeedSpec): readonly string[] {
  if (spec.kind === 'demo') return MARKETS.map((market) => market.symbol);
  if (spec.kind === 'venue' || spec.kind === 'ccxt') return sourceSymbols(spec);
  return spec.kind === 'replay' ? [spec.symbol] : [];
}

function sourceOf(spec: FeedSpec): string {
  if (spec.kind === 'venue') return spec.source.venue.name;
  return spec.kind === 'ccxt' ? spec.source.exchange : spec.kind;
}

function claim(owners: Map<string, string>, symbol: string, source: string): void {
  const owner = owners.get(symbol);
  if (owner !== undefined)
    throw new UserError(
      `FEEDS: ${symbol} comes from ${owner} and from ${source}: give one of them another symbol (suffix=… where it is an exchange)`,
    );
  owners.set(symbol, source);
}

/** @throws UserError when a feed cannot be opened or two feeds have the same symbol. */
export async function createFeeds(specs: readonly FeedSpec[], share: FeedShare, context: FeedContext): Promise<Feeds> {
  const owners = feedSymbols(specs);
  const all: Feed[] = [];
  for (const spec of specs) {
    if (spec.kind === 'demo') {
      const markets = MARKETS.filter(({ symbol }) => share.has(symbol));
      if (markets.length > 0) all.push(new DemoFeed(spec.seed, context, markets));
    } else if (spec.kind === 'replay' && share.has(spec.symbol)) all.push(await ReplayFeed.open(spec, context));
    else if (spec.kind === 'venue' || spec.kind === 'ccxt') {
      const feed = await liveFeed(spec, share, context);
      if (feed !== null) all.push(feed);
    }
  }
  const push = share.push && specs.some(({ kind }) => kind === 'push') ? new PushFeed(context, owners) : null;
  if (push !== null) all.push(push);
  return { all, push };
}

/** The part of a venue's symbols that is wanted here; null where that is none. */
async function liveFeed(
  spec: Extract<FeedSpec, { kind: 'venue' | 'ccxt' }>,
  share: FeedShare,
  context: FeedContext,
): Promise<Feed | null> {
  const symbols = sourceSymbols(spec);
  const natives = spec.source.natives.filter((_, index) => share.has(symbols[index] ?? ''));
  if (natives.length === 0) return null;
  if (spec.kind === 'venue') return new VenueFeed({ ...spec.source, natives }, context);
  return new CcxtFeed({ ...spec.source, natives }, await loadCcxt(spec.source.exchange), context);
}
