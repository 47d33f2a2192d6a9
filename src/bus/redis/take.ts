import type { Redis } from 'ioredis';
import type { Shards } from '../../kit/redis-shards.js';
import { slotOf } from '../../kit/redis-slots.js';
import type { Candle, Gap } from '../../market/candle.js';
import { INTERVALS } from '../../market/interval.js';
import type { Position } from '../../market/position.js';
import type { ChannelNames, Names } from './names.js';
import { decodeGaps, decodeWindow } from './records.js';
import { FENCED, loadScripts, TAKE } from './scripts.js';

/** What the writer before published of a symbol: where its minutes stand, under its epoch (null: nothing), the latest of them, gaps among them. */
export interface Taken {
  readonly symbol: string;
  readonly position: Position | null;
  readonly minutes: readonly Candle[];
  readonly gaps: readonly Gap[];
}

interface Line {
  readonly symbol: string;
  readonly isMinutes: boolean;
  readonly names: ChannelNames;
}

const PIPELINE = 512;

/** Fences every channel of the symbols: see RedisPublisher.take. */
export async function takeSymbols(
  shards: Shards,
  names: Names,
  epoch: number,
  symbols: readonly string[],
  first: number,
): Promise<Taken[]> {
  const byNode = new Map<Redis, Line[]>();
  for (const symbol of symbols) {
    for (const interval of INTERVALS) {
      const line = { symbol, isMinutes: interval === '1m', names: names.of(symbol, interval) };
      const node = shards.of(slotOf(line.names.window));
      if (node === null) throw new Error('Redis is away: symbols cannot be taken');
      const lines = byNode.get(node);
      if (lines) lines.push(line);
      else byNode.set(node, [line]);
    }
  }
  const taken: Taken[] = [];
  for (const [node, lines] of byNode)
    for (let i = 0; i < lines.length; i += PIPELINE)
      taken.push(...(await takeSome(node, { epoch, first }, lines.slice(i, i + PIPELINE))));
  return taken;
}

interface Epochs {
  readonly epoch: number;
  readonly first: number;
}

async function takeSome(node: Redis, epochs: Epochs, lines: readonly Line[]): Promise<Taken[]> {
  const { epoch } = epochs;
  let results = await run(node, epochs, lines);
  if (results.some(([error]) => error?.message.startsWith('NOSCRIPT'))) {
    await loadScripts(node);
    results = await run(node, epochs, lines);
  }
  const taken: Taken[] = [];
  lines.forEach(({ symbol, isMinutes }, i) => {
    const [error, reply] = results[i] ?? [new Error('no reply'), null];
    if (error !== null) throw error;
    const [code, seq, window, gaps, writer] = reply as [number, string | null, string, string, string | null];
    if (code === FENCED) throw new Error(`a newer epoch than ${epoch} owns ${symbol}`);
    if (isMinutes) taken.push(decodeTaken(symbol, Number(writer ?? 0), seq, window, gaps));
  });
  return taken;
}

async function run(node: Redis, { epoch, first }: Epochs, lines: readonly Line[]): Promise<[Error | null, unknown][]> {
  const pipeline = node.pipeline();
  for (const { names, isMinutes } of lines)
    pipeline.evalsha(TAKE.sha, 2, names.window, names.state, String(epoch), String(first), isMinutes ? '1' : '0');
  return (await pipeline.exec()) ?? [];
}

/** What cannot be read is nobody's: it is stored anew from the database. */
function decodeTaken(symbol: string, epoch: number, seq: string | null, window: string, gaps: string): Taken {
  const minutes = decodeWindow(symbol, '1m', window);
  const known = decodeGaps(symbol, gaps);
  if (seq === null || minutes === null || known === null) return { symbol, position: null, minutes: [], gaps: [] };
  return { symbol, position: { epoch, seq: Number(seq) }, minutes, gaps: known };
}
