import { Random } from './truth.js';

type WindowKind =
  | 'cut'
  | 'deaf'
  | 'mute'
  | 'frozen'
  | 'closing'
  | 'limited'
  | 'errors'
  | 'hang'
  | 'broken'
  | 'lag'
  | 'lacking';

/** What goes wrong in [from, to), in the venue's time. */
export interface FaultWindow {
  readonly kind: WindowKind;
  readonly from: number;
  readonly to: number;
}

export interface Script {
  readonly seed: number;
  /** REST is away for longer than the connector waits: gaps have to be announced. Without it there must be none. */
  readonly isHard: boolean;
  readonly windows: readonly FaultWindow[];
  /** Of each streamed trade. */
  readonly rates: { drop: number; double: number; delay: number; poison: number; wrong: number };
  readonly faultsUntil: number;
  /** Connections are cut after this. */
  readonly lifeMs: number | null;
  /** Our clock minus the venue's. */
  readonly skewMs: number;
  /** How long before the start the stored candles end; null: nothing is stored. */
  readonly storedAgoMs: number | null;
}

const SOCKET_FAULTS = ['cut', 'cut', 'deaf', 'mute', 'frozen', 'closing'] as const;
const REST_FAULTS = ['limited', 'errors', 'hang', 'broken', 'lag', 'lacking'] as const;

/** A script of faults between `from` and `to`; the same seed makes the same one. */
export function makeScript(seed: number, from: number, to: number): Script {
  const random = new Random(seed);
  const isHard = random.chance(0.2);
  const windows: FaultWindow[] = [];
  const add = (kind: WindowKind, longest: number, shortest = 500) => {
    const start = random.int(from, to - shortest);
    windows.push({ kind, from: start, to: Math.min(to, start + random.int(shortest, longest)) });
  };
  for (let i = random.int(0, 3); i > 0; i--) {
    const kind = random.pick(SOCKET_FAULTS);
    add(kind, kind === 'frozen' || kind === 'mute' ? 60_000 : 9000);
    if (kind === 'deaf')
      windows.push({ kind: 'cut', from: (windows.at(-1)?.from ?? from) - 1, to: windows.at(-1)?.from ?? from });
  }
  for (let i = random.int(0, 2); i > 0; i--) add(random.pick(REST_FAULTS), 6000);
  if (isHard) add(random.pick(['errors', 'hang', 'broken', 'limited']), 80_000, 40_000);
  const rate = (most: number) => (random.chance(0.5) ? random.next() * most : 0);
  return {
    seed,
    isHard,
    windows,
    rates: { drop: rate(0.1), double: rate(0.2), delay: rate(0.2), poison: rate(0.08), wrong: rate(0.02) },
    faultsUntil: to,
    lifeMs: random.chance(0.25) ? random.int(45_000, 70_000) : null,
    skewMs: random.pick([0, 0, 1500, -1500, 40_000, -40_000]),
    storedAgoMs: random.chance(0.4) ? random.int(1, 5) * 60_000 : null,
  };
}
