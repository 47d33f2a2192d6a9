import { LocalBus } from '../bus/local.js';
import { REVISION_HORIZON_MS } from '../candles/book.js';
import { CandlePipeline } from '../candles/pipeline.js';
import { createFeeds, type Feeds } from '../feed/create.js';
import { floorMinute, type TradeSink } from '../feed/feed.js';
import { CandleHistory } from '../store/timescale/history.js';
import { registerSymbols, type SymbolEntry } from '../store/timescale/symbols.js';
import type { Around } from './around.js';
import { catchingUp } from './catching-up.js';
import { MarketView } from './market-view.js';
import { type Restored, resumePoint, storedStatus } from './restore.js';
import type { Store } from './store.js';
import { SymbolRegistry } from './symbol-registry.js';

export interface Ingest {
  readonly pipeline: CandlePipeline;
  readonly bus: LocalBus;
  readonly view: MarketView;
  readonly history: CandleHistory;
  readonly registry: SymbolRegistry;
  readonly feeds: Feeds;
}

/** Feeds, engine and bus, caught up to where live data begins; the feeds are not live yet. @throws UserError */
export async function openIngest(around: Around, { readers, spool, writer, restored }: Store): Promise<Ingest> {
  const { config, clock, log, progress, lifecycle } = around;
  const history = new CandleHistory(readers);
  const registry = new SymbolRegistry((entries) => readers.run((sql) => registerSymbols(sql, entries)), clock, log);
  for (const symbol of restored.symbols) registry.addStored(storedStatus(symbol));

  const bus: LocalBus = new LocalBus((symbol, interval) => view.window(symbol, interval));
  const pipeline: CandlePipeline = new CandlePipeline({
    epoch: restored.epoch,
    graceMs: config.graceMs,
    coalesceMs: config.coalesceMs,
    clock,
    log,
    append: (records) => spool.append(records),
    publish: (events) => bus.publish(events),
    wants: (symbol, interval) => bus.wants(symbol, interval),
  });
  const view: MarketView = new MarketView({
    epoch: restored.epoch,
    history,
    live: (symbol, interval) => pipeline.window(symbol, interval),
    isStored: (symbol) => registry.has(symbol),
    isStoreBehind: () => spool.stats().recordsBehind > 0,
    storeCatchesUp: catchingUp(() => writer.drained(), clock),
  });
  await lifecycle.start(pipeline);

  const feeds = await createFeeds(config.feeds, {
    clock,
    log,
    sink: sinkOf(pipeline, registry, bus),
    graceMs: config.graceMs,
    dataDir: config.dataDir,
    resume: (symbol) => resumePoint(restored.states.get(symbol)),
  });
  await readers.run((sql) => registerSymbols(sql, entriesOf(feeds)));
  const own = ownSymbols(feeds, restored);
  for (const symbol of own) restoreBook(pipeline, symbol, restored);
  for (const feed of feeds.all) {
    await progress.during(`Catching up: ${feed.source}`, (line) => feed.catchUp((done) => line.update(done)));
  }
  for (const symbol of own) pipeline.finishRestore(symbol);
  return { pipeline, bus, view, history, registry, feeds };
}

function sinkOf(pipeline: CandlePipeline, registry: SymbolRegistry, bus: LocalBus): TradeSink {
  return {
    trade: (trade) => pipeline.trade(trade),
    advance: (symbol, timeMs) => pipeline.advance(symbol, timeMs),
    gap: (symbol, fromMs, toMs, reason) => pipeline.gap(symbol, fromMs, toMs, reason),
    ready: () => pipeline.ready(),
    status: (status) => {
      registry.update(status);
      bus.publishStatus([status]);
    },
  };
}

/** A restart must know the symbols of candles that were published: they are registered before there are any. */
function entriesOf(feeds: Feeds): SymbolEntry[] {
  return feeds.all.flatMap(({ symbols, source, synthetic }) =>
    symbols.map((symbol) => ({ symbol, source, synthetic })),
  );
}

function restoreBook(pipeline: CandlePipeline, symbol: string, restored: Restored): void {
  const state = restored.states.get(symbol);
  const last = state?.minutes.at(-1);
  if (state === undefined || last === undefined) return;
  pipeline.restore(symbol, state, floorMinute(last.openTime - REVISION_HORIZON_MS));
}

/** The symbols that feeds bring: push knows its own by what it has brought before. */
function ownSymbols(feeds: Feeds, restored: Restored): ReadonlySet<string> {
  const own = new Set(feeds.all.flatMap((feed) => [...feed.symbols]));
  if (feeds.push === null) return own;
  for (const { symbol, source } of restored.symbols) if (source === feeds.push.source) own.add(symbol);
  return own;
}
