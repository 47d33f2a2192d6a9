/** What being watched costs: the same gateway plain, with its metrics scraped each second, and with traces besides. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Load, type Pair, startPair, type Ticks } from './modes.js';

const SCRAPE_MS = 1000;
/** Requests beside the fan-out, the same for all: a page or a bot asks now and then. */
const REQUEST_MS = 50;
const WORK = '/v1/work';

export type Watch = 'plain' | 'scraped' | 'traced';
const WATCHES: readonly Watch[] = ['plain', 'scraped', 'traced'];

/**
 * µs of server CPU a delivery, by segment. All three servers and their clients stay up, and take turns of some seconds, so that what
 * the machine does besides hits them alike; the order turns by one each round.
 */
export async function cost(load: Load, ticks: Ticks, rounds: number): Promise<Readonly<Record<Watch, number>>[]> {
  const collector = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const pairs = new Map<Watch, Pair>();
  try {
    for (const watch of WATCHES)
      pairs.set(watch, await startPair('ours-measured', load, [], watch === 'traced' ? [url] : []));
    const results: Record<Watch, number>[] = [];
    for (let round = -1; round < rounds; round++) {
      const figures = { plain: 0, scraped: 0, traced: 0 };
      for (let i = 0; i < WATCHES.length; i++) {
        const watch = WATCHES[(i + round + WATCHES.length) % WATCHES.length] ?? 'plain';
        const pair = pairs.get(watch);
        if (pair !== undefined) figures[watch] = await segment(pair, watch, ticks);
      }
      // The first is for the compiler.
      if (round >= 0) results.push(figures);
    }
    return results;
  } finally {
    for (const pair of pairs.values()) await pair.stop();
    collector.close();
  }
}

async function segment(pair: Pair, watch: Watch, ticks: Ticks): Promise<number> {
  const ask = (path: string): void => {
    void fetch(`http://127.0.0.1:${pair.port}${path}`).then(
      (response) => response.arrayBuffer(),
      () => null,
    );
  };
  const timers = [setInterval(ask, REQUEST_MS, WORK)];
  if (watch !== 'plain') timers.push(setInterval(ask, SCRAPE_MS, '/metrics'));
  try {
    return await pair.microsPerDelivery(ticks);
  } finally {
    for (const timer of timers) clearInterval(timer);
  }
}
