import type { Redis } from 'ioredis';
import { slotOf } from '../../kit/redis-slots.js';
import type { Candle } from '../../market/candle.js';
import type { HotWindow } from '../../market/event.js';
import { bucketEnd, type Interval } from '../../market/interval.js';
import type { Position } from '../../market/position.js';
import type { ChannelNames } from './names.js';
import { decodeGaps, decodeOpen, decodeWindow, isNews } from './records.js';
import { READ, runScript } from './scripts.js';

/** The bus cannot answer now; by name one of those that everything that reads history knows. */
export class BusUnavailable extends Error {
  override readonly name = 'HistoryUnavailable';
}

/** @returns null where nothing is stored; 'foreign' where it is not what a publisher stores. @throws BusUnavailable */
export async function readWindow(
  redis: Redis,
  { window, state, open }: ChannelNames,
  symbol: string,
  interval: Interval,
): Promise<HotWindow | 'foreign' | null> {
  let reply: (string | null)[];
  try {
    reply = (await runScript(redis, READ, [window, state, open], [])) as (string | null)[];
  } catch (error) {
    throw new BusUnavailable(`the window cannot be read: ${(error as Error).message}`);
  }
  const [epoch, seq, gapLines, windowJson, openJson] = reply;
  if (epoch == null || seq == null || windowJson == null) return null;
  const closed = decodeWindow(symbol, interval, windowJson);
  const gaps = decodeGaps(symbol, gapLines ?? '');
  if (closed === null || gaps === null) return 'foreign';
  const from = closed[0]?.openTime ?? 0;
  return {
    epoch: Number(epoch),
    seq: Number(seq),
    closed,
    open: openJson == null ? null : openAfter(closed, decodeOpen(symbol, interval, openJson)),
    gaps: gaps.filter((gap) => isNews(gap, from)),
  };
}

/** An open candle from before the newest closed one is left over from when somebody listened. */
function openAfter(closed: readonly Candle[], open: Candle | null): Candle | null {
  const last = closed.at(-1);
  if (open === null || last === undefined) return open;
  return open.openTime >= bucketEnd(open.interval, last.openTime) ? open : null;
}

/** Epoch and seq of each state, in the order asked; null where nothing is stored. @throws BusUnavailable */
export async function readPositions(
  nodeOf: (slot: number) => Redis,
  states: readonly string[],
): Promise<(Position | null)[]> {
  const byNode = new Map<Redis, number[]>();
  states.forEach((state, i) => {
    const node = nodeOf(slotOf(state));
    const indexes = byNode.get(node);
    if (indexes) indexes.push(i);
    else byNode.set(node, [i]);
  });
  const positions: (Position | null)[] = states.map(() => null);
  await Promise.all(
    [...byNode].map(async ([node, indexes]) => {
      const pipeline = node.pipeline();
      for (const i of indexes) pipeline.hmget(states[i] ?? '', 'epoch', 'seq');
      const results = (await pipeline.exec()) ?? [];
      indexes.forEach((index, i) => {
        positions[index] = toPosition(results[i]);
      });
    }),
  );
  return positions;
}

function toPosition(result: [Error | null, unknown] | undefined): Position | null {
  const [error, reply] = result ?? [new Error('no reply'), null];
  if (error !== null) throw new BusUnavailable(`positions cannot be read: ${error.message}`);
  const [epoch, seq] = reply as (string | null)[];
  return epoch == null || seq == null ? null : { epoch: Number(epoch), seq: Number(seq) };
}
