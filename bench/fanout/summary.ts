/** Figure by server. */
export type Round = Readonly<Record<string, number>>;

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const FLOOR_TOLERANCE = 0.25;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}

/** Ratios are taken within each round; a round whose floor strays more than 25 % from its median is void. */
export function summarize(rounds: readonly Round[], floor: string) {
  const floors = rounds.map((round) => round[floor]).filter((value) => value !== undefined);
  const middle = median(floors);
  const valid = rounds.filter((round) => {
    const value = round[floor];
    return value === undefined || Math.abs(value - middle) <= FLOOR_TOLERANCE * middle;
  });
  const servers: Record<string, { values: number[]; ratio: Spread | null }> = {};
  for (const name of Object.keys(rounds[0] ?? {})) {
    const values = valid.map((round) => round[name] ?? Number.NaN);
    const ratios = valid.map((round) => (round[name] ?? Number.NaN) / (round[floor] ?? Number.NaN));
    const ratio =
      floors.length === 0 ? null : { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
    servers[name] = { values, ratio };
  }
  return { voidRounds: rounds.length - valid.length, servers };
}
