import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { full, seed } from './scenario.js';

const RESULTS = fileURLToPath(new URL('../../../bench/results/faults.json', import.meta.url));

/** Times in ms of one thing that happened often. */
export class Distribution {
  readonly #values: number[] = [];

  add(value: number): void {
    this.#values.push(value);
  }

  get count(): number {
    return this.#values.length;
  }

  /** Nearest rank; NaN of nothing. */
  percentile(p: number): number {
    const sorted = [...this.#values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
  }

  get summary(): { count: number; p50: number; p99: number; max: number } {
    const at = (p: number): number => Math.round(this.percentile(p) * 10) / 10;
    return { count: this.count, p50: at(50), p99: at(99), max: at(100) };
  }
}

/** Prints what a scenario measured; a full run also keeps it in bench/results. */
export async function report(scenario: string, measured: Readonly<Record<string, Distribution | number>>) {
  const rows = Object.entries(measured).map(([name, value]) => [
    name,
    value instanceof Distribution ? value.summary : value,
  ]);
  for (const [name, value] of rows) {
    const text =
      typeof value === 'number'
        ? String(value)
        : Object.entries(value ?? {})
            .map((pair) => pair.join(' '))
            .join(', ');
    process.stdout.write(`${scenario} | ${String(name)} | ${text}\n`);
  }
  if (full) await keep(scenario, Object.fromEntries(rows));
}

async function keep(scenario: string, measured: unknown): Promise<void> {
  const before = await readFile(RESULTS, 'utf8').then(
    (text) => JSON.parse(text) as Record<string, unknown>,
    () => ({}),
  );
  await mkdir(dirname(RESULTS), { recursive: true });
  await writeFile(
    join(RESULTS),
    `${JSON.stringify({ ...before, [scenario]: { seed, ...(measured as object) } }, null, 2)}\n`,
  );
}
