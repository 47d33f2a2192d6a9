import { UserError } from '../kit/errors.js';
import { DemoFeed } from './demo/demo.js';
import type { Feed, FeedContext } from './feed.js';
import { PushFeed } from './push/push.js';
import { requireTradeFile } from './replay/reader.js';
import { ReplayFeed } from './replay/replay.js';
import type { FeedSpec } from './spec.js';

export interface Feeds {
  readonly all: readonly Feed[];
  /** Where POST /v1/trades goes; null when FEEDS has no push. */
  readonly push: PushFeed | null;
}

/** For the time before the long part of a start. @throws UserError when a feed cannot be opened. */
export async function checkFeeds(specs: readonly FeedSpec[]): Promise<void> {
  for (const spec of specs) if (spec.kind === 'replay') await requireTradeFile(spec.file);
}

/** @throws UserError when a feed cannot be opened or two feeds have the same symbol. */
export async function createFeeds(specs: readonly FeedSpec[], context: FeedContext): Promise<Feeds> {
  const all: Feed[] = [];
  const owners = new Map<string, string>();
  for (const spec of specs) {
    if (spec.kind === 'push') continue;
    const feed = spec.kind === 'demo' ? new DemoFeed(spec.seed, context) : await ReplayFeed.open(spec, context);
    for (const symbol of feed.symbols) claim(owners, symbol, feed.source);
    all.push(feed);
  }
  const push = specs.some((spec) => spec.kind === 'push') ? new PushFeed(context, owners) : null;
  if (push !== null) all.push(push);
  return { all, push };
}

function claim(owners: Map<string, string>, symbol: string, source: string): void {
  const owner = owners.get(symbol);
  if (owner !== undefined)
    throw new UserError(`FEEDS: ${symbol} comes from ${owner} and from ${source}: give one of them another symbol`);
  owners.set(symbol, source);
}
