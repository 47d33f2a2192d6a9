/** Pushes trades one after another, several requests at a time, and prints the id of each that was acknowledged. For the kill -9 test. */
import { writeSync } from 'node:fs';
import { PushFeed } from '../../src/feed/push/push.js';
import { systemClock } from '../../src/kit/clock.js';
import { bench } from './recorder.js';

const [dataDir = '', round = '0'] = process.argv.slice(2);
const context = bench(systemClock, dataDir);
const feed = new PushFeed(context, new Map());
await feed.catchUp(() => {});
await feed.start();

let id = Number(round) * 1_000_000;
async function lane(): Promise<void> {
  for (;;) {
    const own = id++;
    const time = systemClock.now();
    const answer = await feed.push([{ symbol: 'K', id: own, time, price: '1', quantity: '1', side: 'sell' }], '');
    if (answer.accepted === 1) writeSync(1, `${own}\n`);
  }
}

await Promise.all([lane(), lane(), lane(), lane()]);
