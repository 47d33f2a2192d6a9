import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Members } from '../../src/cluster/members.js';
import { silentLog } from '../../src/kit/log.js';
import { closeRedis, type RedisClient } from '../../src/kit/redis.js';
import { RedisServer } from '../support/redis.js';
import { connect, HaltingClock, LEASE, makeSteady, Nodes } from './nodes.js';

let server: RedisServer;
let nodes: Nodes;
let redis: RedisClient;
let members: Members;
const clock = new HaltingClock();
beforeEach(async () => {
  server = await RedisServer.start();
  nodes = new Nodes(server.url);
  redis = await connect(server.url);
  clock.offMs = 0;
  members = new Members({
    redis,
    prefix: '',
    node: { id: 'g', roles: ['gateway'], address: 'g:8080' },
    info: () => {
      nodes.ledger.changed();
      return { connections: 3 };
    },
    clock,
    log: silentLog,
    ...LEASE,
  });
});
afterEach(async () => {
  await members.stop();
  await nodes.stop();
  closeRedis(redis);
  await server.stop();
});

describe('a node that owns nothing', () => {
  it('sees the others, is seen, and is given nothing', async () => {
    await makeSteady(server.url);
    await members.start();
    const a = await nodes.add('a');
    await nodes.balanced(a);
    await nodes.ledger.until(() => members.nodes().length === 2);
    await a.beats(1);
    expect(a.ownership.nodes().find(({ id }) => id === 'g')).toMatchObject({
      roles: ['gateway'],
      connections: 3,
      wants: [],
    });
  });

  it('knows whether candles wait for the database; not while Redis is away', async () => {
    let spoolBehind = 5;
    await members.start();
    await nodes.add('a', { info: () => ({ spoolBehind }) });
    await nodes.ledger.until(() => members.isStoreBehind() === true);
    spoolBehind = 0;
    await nodes.ledger.until(() => members.isStoreBehind() === false);
    await server.kill();
    await nodes.ledger.until(() => members.isStoreBehind() === null);
    expect(members.notReady()).toEqual([expect.stringMatching(/^Redis does not answer/)]);
    await server.restart();
    await nodes.ledger.until(() => members.notReady().length === 0);
  });

  it('is ready with a clock that is off', async () => {
    clock.offMs = 10_000;
    await members.start();
    expect([members.notReady(), members.skewMs > 9000]).toEqual([[], true]);
  });
});
