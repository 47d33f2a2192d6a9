/** An ingest node to be killed and stopped: `node-process.ts REDIS_URL ID` prints what it takes and drops, and what it owns. */
import { writeSync } from 'node:fs';
import { Ownership } from '../../src/cluster/ownership.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { createRedis } from '../../src/kit/redis.js';
import { PARTITIONS } from './nodes.js';

const [url = '', id = ''] = process.argv.slice(2);
function say(what: string, partition: string, why = ''): void {
  writeSync(1, `${JSON.stringify({ what, partition, why, owned: ownership.owned.size })}\n`);
}

const redis = createRedis(url, { name: id, log: silentLog });
const ownership: Ownership = new Ownership({
  redis,
  prefix: '',
  node: { id, roles: ['ingest'], address: 'x:1' },
  partitions: PARTITIONS,
  info: () => ({}),
  take: async (partition) => say('take', partition),
  drop: async (partition, why) => say('drop', partition, why),
  clock: systemClock,
  log: silentLog,
});
await ownership.start();
setInterval(() => say('owns', ''), 50);
