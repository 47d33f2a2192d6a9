import { afterAll, beforeAll } from 'vitest';
import { RedisClusterServers, RedisServer } from '../support/redis.js';
import { busContract } from './contract.js';
import { RedisBus } from './redis-bus.js';

let server: RedisServer;
let cluster: RedisClusterServers;
let tests = 0;

beforeAll(async () => {
  [server, cluster] = await Promise.all([RedisServer.start(), RedisClusterServers.start()]);
});
afterAll(async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

for (const [name, url] of [
  ['Redis', () => server.url],
  ['Redis Cluster', () => cluster.url],
] as const) {
  busContract(name, (market) => {
    const windowOf = market.windowOf.bind(market);
    return RedisBus.start(url(), { prefix: `t${tests++}:`, windowOf }, [market.symbol]);
  });
}
