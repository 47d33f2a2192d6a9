import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Candle } from '../../src/market/candle.js';
import { bucketEnd, bucketStart, type Interval, MINUTE_MS } from '../../src/market/interval.js';
import { nextSeq } from '../../src/market/position.js';
import { rollUp } from '../../src/market/rollup.js';
import type { CandleRecord } from '../../src/store/spool/record.js';
import { type ServerMessage, toWireCandle } from '../../src/wire/messages.js';
import { minute } from '../store/spool-records.js';
import type { TestClient } from './client.js';
import { ended, onChannel, ReplayStand, START, store } from './replay-stand.js';

const EPOCH = 7;
const SPAN = 400;
const INTERVALS = ['1m', '5m', '1h'] as const;

/** What may be stored of a symbol: runs of minutes with holes between them, some corrected, and gaps that explain some of the holes. */
const anySymbol = fc
  .array(
    fc.record({
      length: fc.integer({ min: 1, max: 90 }),
      hole: fc.integer({ min: 0, max: 70 }),
      isAnnounced: fc.boolean(),
      insideMs: fc.constantFrom(0, 1, 20_000),
      late: fc.nat(3),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((runs) => {
    const opens: number[] = [];
    const gaps: { from: number; to: number; seq: number }[] = [];
    let at = START;
    let seq = 0;
    for (const { length, hole, isAnnounced, insideMs, late } of runs) {
      for (let i = 0; i < length; i++, at += MINUTE_MS) opens.push(at);
      const resume = at + hole * MINUTE_MS;
      if (hole > 0 && isAnnounced) {
        seq = Math.max(seq + 1, nextSeq(0, resume - MINUTE_MS) + late * 2 ** 20);
        gaps.push({ from: at - (at % MINUTE_MS), to: resume + insideMs, seq });
      }
      at = resume;
    }
    return { opens, gaps };
  });
type Stored = typeof anySymbol extends fc.Arbitrary<infer T> ? T : never;

const anyWindow = fc.record({
  from: fc.nat(SPAN),
  length: fc.integer({ min: 1, max: SPAN }),
  cut: fc.double({ min: 0, max: 1, noNaN: true }),
});

let stand: ReplayStand;
let port: number;
let round = 0;

beforeAll(async () => {
  stand = await ReplayStand.start();
  port = await (await stand.gateway({ replaysPerConnection: 100 })).listen('127.0.0.1', 0);
});
afterAll(() => stand.stop());

async function put(symbol: string, { opens, gaps }: Stored): Promise<Candle[]> {
  const records = opens.map((openTime, n): CandleRecord => {
    const revision = n % 11 === 3 ? 1 : 0;
    const prices = {
      open: price(n),
      high: price(n + 90),
      low: price(n - 90),
      close: price(n + 1),
      volume: '0.10000001',
    };
    const seq = nextSeq(0, openTime + revision * 7 * MINUTE_MS) + revision;
    const drawn = minute(n, { symbol, openTime, ...prices, revision, seq });
    return { ...drawn, epoch: EPOCH };
  });
  await store(stand.database, records);
  const announced = gaps.map((gap) => ({
    kind: 'gap' as const,
    epoch: EPOCH,
    gap: { symbol, reason: 'disconnected', ...gap },
  }));
  await store(stand.database, announced);
  return records.map(({ candle }) => candle);
}

function price(n: number): string {
  return `${1000 + (n % 100)}.00000001`;
}

async function play(channels: readonly unknown[], from: number, to: number): Promise<TestClient> {
  const client = await stand.client(port);
  client.send({ op: 'subscribe', channels, replay: { from, to, speed: 0 } });
  await ended(client, channels.length);
  return client;
}

const isDurable = (m: ServerMessage): boolean => m.type === 'gap' || (m.type === 'candle' && m.candle.x);

function timeOf(m: ServerMessage): number | null {
  if (m.type === 'gap') return m.reason === 'not recorded' ? null : bucketStart('1m', m.to);
  if (m.type !== 'candle' || m.channel.split(':')[2] !== '1m') return null;
  return m.candle.t + MINUTE_MS;
}

/** A gap told on a channel of minutes before the candle. */
function isTold(messages: readonly ServerMessage[], openTime: number): boolean {
  return messages.some((m) => m.type === 'gap' && m.from < openTime + MINUTE_MS && m.to > openTime);
}

it('merges what is stored of any symbols into one order of time, whole, with every hole told, from any point on the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anySymbol, { minLength: 1, maxLength: 3 }), anyWindow, async (symbols, window) => {
      round++;
      const names = symbols.map((_, i) => `M${round}X${i}`);
      const minutes = new Map<string, Candle[]>();
      for (const [i, stored] of symbols.entries()) minutes.set(names[i] ?? '', await put(names[i] ?? '', stored));
      const end = Math.min(...symbols.map(({ opens }) => (opens.at(-1) ?? 0) + MINUTE_MS));
      const from = Math.min(START + window.from * MINUTE_MS, end - MINUTE_MS);
      const to = from + window.length * MINUTE_MS;
      const channels = names.flatMap((name) => INTERVALS.map((interval) => `candles:${name}:${interval}`));
      const client = await play(channels, from, to);
      const messages = client.messages;

      const times = messages.map(timeOf).filter((time) => time !== null);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      for (const channel of channels) {
        const [, name = '', interval = '1m'] = channel.split(':');
        isWhole(onChannel(messages, channel), interval as Interval, minutes.get(name) ?? [], from, to);
      }
      // From any point on it is the same again.
      const cut = Math.floor(messages.length * window.cut);
      const got = messages.slice(0, cut);
      const reached = Math.max(from, ...got.map((m) => timeOf(m) ?? 0));
      const wanted = channels.map((channel) => {
        const last = onChannel(got, channel).at(-1);
        if (last === undefined || !('seq' in last) || !('epoch' in last)) return { channel };
        return { channel, position: { epoch: last.epoch, seq: last.seq } };
      });
      const rest = await play(wanted, Math.max(from, reached - MINUTE_MS), to);
      for (const channel of channels)
        expect([...onChannel(got, channel), ...onChannel(rest.messages, channel)].filter(isDurable)).toEqual(
          onChannel(messages, channel).filter(isDurable),
        );
    }),
    { numRuns: 8 },
  );
});

function isWhole(
  messages: readonly ServerMessage[],
  interval: Interval,
  all: readonly Candle[],
  from: number,
  to: number,
) {
  const [first] = messages;
  let seq = first?.type === 'subscribed' ? first.seq : -1;
  for (const message of messages.slice(1)) {
    if (message.type === 'candle' && !message.candle.x && message.seq !== seq) expect(message.seq).toBe(seq);
    if (!isDurable(message) || !('prev' in message) || !('epoch' in message)) continue;
    // `expect` for each of so many would take most of the time.
    if (message.prev !== seq || message.seq <= seq || message.epoch !== EPOCH)
      expect(message).toMatchObject({ prev: seq, seq: 'greater than prev', epoch: EPOCH });
    seq = message.seq;
  }
  const closed = messages
    .filter((m) => m.type === 'candle')
    .filter(({ candle }) => candle.x)
    .map(({ candle }) => candle);
  // One that an outage cut short before `from` closes when that is told, after it.
  const truth = bucketsOf(all, interval).filter(({ end }) => end <= to);
  const full = truth.filter(({ minutes, start, end }) => end > from && minutes.length === (end - start) / MINUTE_MS);
  const truths = new Map(truth.map(({ start, minutes }) => [start, wire(minutes, start)]));
  expect(closed).toEqual(closed.map(({ t }) => truths.get(t)));
  expect(full.every(({ start }) => closed.some(({ t }) => t === start))).toBe(true);
  if (interval !== '1m') return;
  closed.forEach(({ t }, i) => {
    const before = messages.slice(
      0,
      messages.findIndex((m) => m.type === 'candle' && m.candle.t === t),
    );
    for (let missing = (closed[i - 1]?.t ?? from - MINUTE_MS) + MINUTE_MS; missing < t; missing += MINUTE_MS)
      expect(isTold(before, missing), `the hole at ${missing} before ${t}`).toBe(true);
  });
}

function bucketsOf(all: readonly Candle[], interval: Interval) {
  const starts = [...new Set(all.map(({ openTime }) => bucketStart(interval, openTime)))];
  return starts.map((start) => {
    const end = bucketEnd(interval, start);
    return { start, end, minutes: all.filter(({ openTime }) => openTime >= start && openTime < end) };
  });
}

function wire(minutes: readonly Candle[], start: number): unknown {
  const rolled = rollUp(minutes, start, start, true);
  return rolled && toWireCandle(rolled);
}
