import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Analytics } from '../../../src/analytics/analytics.js';
import { AnalyticsQueries } from '../../../src/analytics/queries/queries.js';
import { analyticsRoutes } from '../../../src/http/analytics/routes.js';
import type { AnalyticsSource } from '../../../src/http/analytics/source.js';
import { Readers } from '../../../src/http/readers.js';
import type { Route } from '../../../src/http/router.js';
import type { SymbolSource } from '../../../src/http/symbols.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import type { SymbolStatus } from '../../../src/market/event.js';
import type { HttpResponse } from '../../../src/wire/http.js';
import type { Entitlements } from '../../../src/wire/identity.js';
import { request } from '../requests.js';
import type { Day } from './reference.js';

const MIGRATIONS = fileURLToPath(new URL('../../../sql/clickhouse', import.meta.url));

/** What the routes ask, over an embedded ClickHouse of its own. */
export class AnalyticsMarket {
  readonly source: AnalyticsSource;
  readonly #directory: string;
  readonly #analytics: Analytics;
  #stored: readonly Day[] = [];
  #version = 0;

  private constructor(directory: string) {
    const options = { url: null, dataDir: directory, migrations: MIGRATIONS, clock: systemClock, log: silentLog };
    this.#directory = directory;
    this.#analytics = new Analytics(options);
    this.source = new AnalyticsQueries(this.#analytics);
  }

  static async open(): Promise<AnalyticsMarket> {
    return new AnalyticsMarket(await mkdtemp(join(tmpdir(), 'candlecast-analytics-')));
  }

  async close(): Promise<void> {
    await this.#analytics.stop();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Nothing else is there afterwards. Each day is written twice, wrong at first. */
  async replace(days: readonly Day[]): Promise<void> {
    await this.#analytics.remove(
      this.#stored.map(({ symbol, date }) => ({ symbol, date, version: this.#version + 1 })),
    );
    for (const [version, wrong] of [
      [this.#version + 2, 3],
      [this.#version + 3, 1],
    ] as const)
      await this.#analytics.insert(days.map((day) => ({ ...day, close: day.close * wrong, trades: 1, version })));
    this.#version += 3;
    this.#stored = days;
  }
}

/** @param plan null: everything */
export function routesOver(source: AnalyticsSource, symbols: SymbolSource, plan: Entitlements | null = null): Route[] {
  return analyticsRoutes({ source, symbols, readers: new Readers(null, plan, silentLog), log: silentLog });
}

/** Asks the routes of `source`. @param fed symbols that are known though nothing may be stored of them */
export function asker(source: AnalyticsSource, plan: Entitlements | null = null, fed: readonly string[] = []) {
  const symbols = { symbols: () => fed.map((symbol) => ({ symbol }) as SymbolStatus) };
  const routes = routesOver(source, symbols, plan);
  return async (query: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpResponse> => {
    const asked = request('GET', `/v1/analytics/${query}`, headers);
    const route = routes.find(({ path }) => path === asked.path);
    if (route === undefined) throw new Error(`no route for ${asked.path}`);
    return await route.handle(asked, {});
  };
}
