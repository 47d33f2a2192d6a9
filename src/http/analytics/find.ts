import type { Entitlements } from '../../wire/identity.js';
import type { SymbolSource } from '../symbols.js';
import { type AskedPeriod, type FoundPeriod, findPeriod, type Limits } from './period.js';
import { UnknownSymbol } from './resource.js';
import type { AnalyticsSource, DaySpan } from './source.js';

interface From {
  readonly source: AnalyticsSource;
  readonly symbols: SymbolSource;
  readonly plan: Entitlements | null;
}

type Reach = Pick<Limits, 'usualDays' | 'lookBack'>;

/** Of one symbol or some of them. @throws UnknownSymbol, QueryError */
export async function periodOfSymbols(
  { source, symbols, plan }: From,
  names: readonly string[],
  asked: AskedPeriod,
  reach: Reach,
): Promise<FoundPeriod> {
  const spans = await source.spans(names);
  const stored = new Set(spans.map(({ symbol }) => symbol));
  const others = names.filter((name) => !stored.has(name));
  if (others.length > 0) await requireKnown(symbols, others);
  return findPeriod(asked, union(spans), { ...reach, plan });
}

/** Of the whole market. @throws QueryError */
export async function periodOfMarket({ source, plan }: From, asked: AskedPeriod, reach: Reach): Promise<FoundPeriod> {
  return findPeriod(asked, await source.marketSpan(), { ...reach, plan });
}

/** What every answer says of its period. */
export function periodHead({ days, limited }: FoundPeriod) {
  return {
    head: { from: days?.from ?? null, to: days?.to ?? null },
    tail: limited === null ? {} : { limited },
  };
}

/** A symbol that is fed, but has no whole day yet, is known. */
async function requireKnown(source: SymbolSource, names: readonly string[]): Promise<void> {
  const known = new Set((await source.symbols()).map(({ symbol }) => symbol));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new UnknownSymbol(unknown);
}

/** Dates compare as texts. */
function union(spans: readonly DaySpan[]): DaySpan | null {
  if (spans.length === 0) return null;
  const firsts = spans.map(({ first }) => first).sort();
  const lasts = spans.map(({ last }) => last).sort();
  return { first: firsts[0] ?? '', last: lasts.at(-1) ?? '' };
}
