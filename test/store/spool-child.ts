/** Appends minutes one after the other, a few at once, and says on stdout which are durable. Ends when an append fails. */
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { Spool } from '../../src/store/spool/spool.js';
import { minute } from './spool-records.js';

const [directory = '', first = '0', segmentBytes = '65536'] = process.argv.slice(2);
const spool = new Spool({
  directory,
  clock: systemClock,
  log: silentLog,
  segmentBytes: Number(segmentBytes),
  maxBytes: 10 ** 8,
});
await spool.start();
const LANES = 4;
let next = Number(first);
async function lane(): Promise<void> {
  for (;;) {
    const n = next++;
    await spool.append([minute(n)]);
    writeSync(1, `${n}\n`);
  }
}
await Promise.all(Array.from({ length: LANES }, lane));
