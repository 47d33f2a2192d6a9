import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { bucketStart } from '../../src/market/interval.js';
import type { WireCandle } from '../../src/wire/messages.js';
import { eventually, type PushAnswer, post } from '../app/support.js';
import { Cluster } from './kit/cluster.js';
import type { ClusterNode } from './kit/node.js';
import { between, generator, pick } from './kit/random.js';
import { explainFailure, seed, times } from './kit/scenario.js';

const KILLS = times(2, 30);
const SYMBOL = 'PUSHED';
const LIMIT_MS = 60_000;
let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.stop();
});

interface Sent {
  readonly symbol: string;
  readonly id: number;
  readonly time: number;
  readonly price: string;
  readonly quantity: string;
  readonly side: 'buy' | 'sell';
}

/** Sends until it is acknowledged: what it does not hear of may have been taken or not. */
async function send(node: ClusterNode, trades: readonly Sent[]): Promise<PushAnswer> {
  const answer = await eventually(
    () => (node.running ? post(node.server, trades).catch(() => null) : null),
    (found) => found?.status === 200,
    LIMIT_MS,
  );
  if (answer === null) throw new Error('not acknowledged');
  return answer.body;
}

it(`pushed trades, ingest kill -9 and restart ${KILLS} times: each counts once, whatever was acknowledged or sent again`, {
  timeout: 90_000 + KILLS * 20_000,
}, async () => {
  explainFailure('push-kill', () => cluster);
  cluster = await Cluster.start({ ingest: 1, gateways: 1, symbols: [], speed: 1, moreFeeds: ['push'] });
  const random = generator(seed);
  const [node] = cluster.ingest;
  const [gateway] = cluster.gateways;
  if (node === undefined || gateway === undefined) throw new Error('no nodes');
  const sent: Sent[] = [];
  let duplicates = 0;
  const more = async (batches: number): Promise<void> => {
    for (let batch = 0; batch < batches; batch++) {
      const fresh: Sent[] = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, index) => ({
        symbol: SYMBOL,
        id: sent.length + index + 1,
        time: Date.now(),
        price: String(100 + Math.floor(random() * 50)),
        quantity: '1',
        side: 'buy',
      }));
      sent.push(...fresh);
      const again = random() < 0.3 ? [pick(random, sent)] : [];
      duplicates += (await send(node, [...fresh, ...again])).duplicates;
      await pause(between(random, 0, 30));
    }
  };
  for (let kill = 0; kill < KILLS; kill++) {
    await more(15);
    const sending = more(3);
    await pause(between(random, 0, 20));
    await node.kill();
    await node.start();
    await sending;
  }
  await more(5);
  const right = expected(sent);
  const minutes = await eventually(
    () => gateway.server.json<{ candles: WireCandle[] }>(`/v1/candles?symbol=${SYMBOL}&interval=1m&from=0`),
    ({ candles }) => candles.reduce((sum, { n }) => sum + n, 0) >= sent.length,
    LIMIT_MS,
  );
  const found = minutes.candles.filter(({ n }) => n > 0).map(({ t, h, l, v, n }) => ({ t, h, l, v, n }));
  expect(found).toEqual(right);
  expect(duplicates).toBeGreaterThan(0);
  expect(cluster.faults).toEqual([]);
});

/** The fold of what was sent, as far as the order within a millisecond does not matter. */
function expected(sent: readonly Sent[]): Pick<WireCandle, 't' | 'h' | 'l' | 'v' | 'n'>[] {
  const minutes = new Map<number, Sent[]>();
  for (const trade of sent) {
    const t = bucketStart('1m', trade.time);
    minutes.set(t, [...(minutes.get(t) ?? []), trade]);
  }
  const decimal = (value: number): string => `${value}.00000000`;
  return [...minutes].map(([t, trades]) => {
    const prices = trades.map(({ price }) => Number(price));
    return {
      t,
      h: decimal(Math.max(...prices)),
      l: decimal(Math.min(...prices)),
      v: decimal(trades.length),
      n: trades.length,
    };
  });
}
