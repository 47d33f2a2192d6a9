/** One figure a contender a round; larger is better unless the report says otherwise. */
export type Results = Readonly<Record<string, readonly number[]>>;
export type Contender = () => number | Promise<number>;

/** Runs every contender once a round, in turn, after one round that does not count. */
export async function rounds(count: number, contenders: Readonly<Record<string, Contender>>): Promise<Results> {
  const results: Record<string, number[]> = {};
  for (let round = -1; round < count; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      globalThis.gc?.();
      const figure = await run();
      if (round < 0) continue;
      results[name] ??= [];
      results[name].push(figure);
    }
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

export interface ReportOptions {
  readonly unit: string;
  /** Numerator, denominator, target (null: none). `below`: the target is an upper bound. */
  readonly ratios: readonly (readonly [string, string, number | null])[];
  readonly below?: boolean;
  /** Contender and the least median it must reach. */
  readonly floors?: readonly (readonly [string, number])[];
}

const number = (value: number) => (value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(3));

/** Prints medians, ranges and per-round ratios, and one JSON line at the end. */
export function report(title: string, results: Results, options: ReportOptions): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  out(`\n${title} (${options.unit}; median [range] of ${Object.values(results)[0]?.length ?? 0} interleaved rounds)`);
  for (const [name, figures] of Object.entries(results)) {
    out(
      `  ${name.padEnd(24)} ${number(median(figures))} [${number(Math.min(...figures))} … ${number(Math.max(...figures))}]`,
    );
  }
  const ratios = options.ratios.map(([top, bottom, target]) => {
    const each = (results[top] ?? []).map((figure, i) => figure / (results[bottom]?.[i] ?? Number.NaN));
    const middle = median(each);
    const met = target === null ? null : options.below ? middle <= target : middle >= target;
    const verdict = target === null ? '' : ` target ${options.below ? '≤' : '≥'} ${target}: ${met ? 'met' : 'MISSED'}`;
    out(
      `  ${`${top} / ${bottom}`.padEnd(24)} ${middle.toFixed(3)} [${Math.min(...each).toFixed(3)} … ${Math.max(...each).toFixed(3)}]${verdict}`,
    );
    return { top, bottom, median: middle, target, met };
  });
  const floors = (options.floors ?? []).map(([name, target]) => {
    const middle = median(results[name] ?? []);
    out(`  ${name.padEnd(24)} target ≥ ${number(target)} ${options.unit}: ${middle >= target ? 'met' : 'MISSED'}`);
    return { name, median: middle, target, met: middle >= target };
  });
  if (process.argv.includes('--json')) out(JSON.stringify({ title, unit: options.unit, results, ratios, floors }));
}
