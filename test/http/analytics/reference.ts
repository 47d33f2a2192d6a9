/**
 * What /v1/analytics must say, computed a second time: plain loops over arrays, two passes for every variance, straight from the
 * definitions in docs/analytics.md. Nothing here is shared with the server.
 */

export interface Day {
  readonly symbol: string;
  readonly date: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly quoteVolume: number;
}

export interface Range {
  /** The first day, and the one after the last. */
  readonly from: string;
  readonly to: string;
}

const DAY_MS = 86_400_000;

export function plusDays(date: string, days: number): string {
  return new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const within = (days: readonly Day[], { from, to }: Range) => days.filter(({ date }) => date >= from && date < to);

/** The close over that of the day before, by day; none after a hole. */
function ratios(days: readonly Day[]): Map<string, number> {
  const closes = new Map(days.map(({ date, close }) => [date, close]));
  const found = new Map<string, number>();
  for (const { date, close } of days) {
    const before = closes.get(plusDays(date, -1));
    if (before !== undefined) found.set(date, close / before);
  }
  return found;
}

export function daily(days: readonly Day[], range: Range) {
  const ratio = ratios(days);
  const shown = within(days, range);
  const holes: Range[] = [];
  for (const [i, { date }] of shown.entries()) {
    const before = shown[i - 1]?.date;
    if (before !== undefined && plusDays(before, 1) !== date) holes.push({ from: plusDays(before, 1), to: date });
  }
  return {
    days: shown.map(({ date, open, high, low, close, volume }) => {
      const found = ratio.get(date);
      return { date, open, high, low, close, volume, return: found === undefined ? null : found - 1 };
    }),
    holes,
  };
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

function volatilities(days: readonly Day[], ratio: ReadonlyMap<string, number>, range: Range, fewest: number) {
  const shown = within(days, range);
  const logs = shown.flatMap(({ date }) => {
    const found = ratio.get(date);
    return found === undefined ? [] : [Math.log(found)];
  });
  const squares = shown.map(({ high, low }) => Math.log(high / low) ** 2);
  return {
    realised: logs.length < Math.max(2, fewest) ? null : deviation(logs) * Math.sqrt(365),
    parkinson: squares.length < fewest ? null : Math.sqrt((mean(squares) / (4 * Math.LN2)) * 365),
    returns: logs.length,
    days: squares.length,
  };
}

export function volatility(days: readonly Day[], range: Range, window: number) {
  const ratio = ratios(days);
  return {
    window,
    ...volatilities(days, ratio, range, 1),
    points: within(days, range).map(({ date }) => {
      const latest = { from: plusDays(date, 1 - window), to: plusDays(date, 1) };
      return { date, ...volatilities(days, ratio, latest, Math.ceil(window / 2)) };
    }),
  };
}

export function drawdown(days: readonly Day[], range: Range) {
  const shown = within(days, range);
  const first = shown[0]?.close ?? Number.NaN;
  let peak = { date: '', close: 0 };
  let worst: { depth: number; peak: string; trough: string; recovered: string | null; close: number } | null = null;
  const points = shown.map(({ date, close }) => {
    if (close > peak.close) peak = { date, close };
    const depth = close / peak.close - 1;
    if (worst !== null && worst.recovered === null && close >= worst.close) worst = { ...worst, recovered: date };
    if (depth < (worst?.depth ?? 0))
      worst = { depth, peak: peak.date, trough: date, recovered: null, close: peak.close };
    return { date, close, cumulative: close / first - 1, drawdown: depth };
  });
  const { close: _, ...maxDrawdown } = worst ?? { close: 0 };
  return {
    cumulativeReturn: points.at(-1)?.cumulative ?? null,
    maxDrawdown: worst === null ? null : maxDrawdown,
    points,
  };
}

export function correlation(all: readonly Day[], symbols: readonly string[], range: Range) {
  const returns = symbols.map((symbol) => {
    const found = ratios(all.filter((day) => day.symbol === symbol));
    return new Map([...found].filter(([date]) => date >= range.from && date < range.to));
  });
  const common = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>) =>
    [...a.keys()].filter((date) => b.has(date));
  const logs = (map: ReadonlyMap<string, number>, dates: readonly string[]) =>
    dates.map((date) => Math.log(map.get(date) ?? Number.NaN));
  return {
    symbols,
    matrix: returns.map((a) => returns.map((b) => pearson(logs(a, common(a, b)), logs(b, common(a, b))))),
    observations: returns.map((a) => returns.map((b) => common(a, b).length)),
  };
}

function pearson(x: readonly number[], y: readonly number[]): number | null {
  if (x.length < 3 || new Set(x).size === 1 || new Set(y).size === 1) return null;
  const [mx, my] = [mean(x), mean(y)];
  const product = x.reduce((sum, value, i) => sum + (value - mx) * ((y[i] ?? Number.NaN) - my), 0);
  const square = (values: readonly number[], middle: number) =>
    values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return product / Math.sqrt(square(x, mx) * square(y, my));
}

export function movers(all: readonly Day[], { from, to }: Range, limit: number) {
  const last = plusDays(to, -1);
  const names = [...new Set(all.filter(({ date }) => date === from || date === last).map(({ symbol }) => symbol))];
  const changes = names.flatMap((symbol) => {
    const open = all.find((day) => day.symbol === symbol && day.date === from)?.open;
    const close = all.find((day) => day.symbol === symbol && day.date === last)?.close;
    return open === undefined || close === undefined ? [] : [{ symbol, open, close, change: close / open - 1 }];
  });
  const sorted = [...changes].sort((a, b) => b.change - a.change);
  return {
    gainers: sorted.filter(({ change }) => change > 0).slice(0, limit),
    losers: sorted
      .filter(({ change }) => change < 0)
      .reverse()
      .slice(0, limit),
    symbols: changes.length,
    leftOut: names.length - changes.length,
  };
}

export function volume(all: readonly Day[], range: Range, quote: string, limit: number) {
  const totals = new Map<string, { quoteVolume: number; volume: number; days: number }>();
  for (const day of within(all, range).filter(({ symbol }) => symbol.endsWith(quote))) {
    const total = totals.get(day.symbol) ?? { quoteVolume: 0, volume: 0, days: 0 };
    totals.set(day.symbol, {
      quoteVolume: total.quoteVolume + (day.quoteVolume > 0 ? day.quoteVolume : day.close * day.volume),
      volume: total.volume + day.volume,
      days: total.days + 1,
    });
  }
  const whole = [...totals.values()].reduce((sum, { quoteVolume }) => sum + quoteVolume, 0);
  const sorted = [...totals].sort(([, a], [, b]) => b.quoteVolume - a.quoteVolume);
  return {
    ranking: sorted.slice(0, limit).map(([symbol, total], i) => ({
      rank: i + 1,
      symbol,
      quote,
      ...total,
      share: whole === 0 ? null : total.quoteVolume / whole,
    })),
    symbols: totals.size,
  };
}

function season(returns: readonly number[]) {
  const sorted = [...returns].sort((a, b) => a - b);
  const middle = [sorted[Math.floor((sorted.length - 1) / 2)] ?? 0, sorted[Math.ceil((sorted.length - 1) / 2)] ?? 0];
  const any = returns.length > 0;
  return {
    mean: any ? mean(returns) : null,
    median: any ? mean(middle) : null,
    positive: any ? returns.filter((value) => value > 0).length / returns.length : null,
    returns: returns.length,
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const isMonthEnd = (date: string) => plusDays(date, 1).endsWith('-01');

export function seasonality(days: readonly Day[], range: Range) {
  const byDay = [...ratios(days)].filter(([date]) => date >= range.from && date < range.to);
  const weekdayOf = (date: string) => new Date(date).getUTCDay() || 7;
  const since = plusDays(range.from, -1);
  const ends = new Map(
    days.filter(({ date }) => isMonthEnd(date) && date >= since && date < range.to).map((day) => [day.date, day.close]),
  );
  const byMonth = [...ends].flatMap(([date, close]) => {
    const before = ends.get(plusDays(`${date.slice(0, 7)}-01`, -1));
    return before === undefined ? [] : [{ month: Number(date.slice(5, 7)), value: close / before - 1 }];
  });
  return {
    weekdays: upTo(7).map((weekday) => ({
      weekday,
      ...season(byDay.filter(([date]) => weekdayOf(date) === weekday).map(([, ratio]) => ratio - 1)),
    })),
    months: upTo(12).map((month) => ({
      month,
      ...season(byMonth.filter((one) => one.month === month).map(({ value }) => value)),
    })),
  };
}
