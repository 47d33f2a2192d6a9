import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from '../app/support.js';
import { Cluster } from '../faults/kit/cluster.js';
import type { ClusterNode } from '../faults/kit/node.js';
import { full } from '../faults/kit/scenario.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import { checkHaproxyConfig, Haproxy } from '../support/haproxy.js';
import { ROOT, read } from './files.js';

const CONFIG = 'deploy/haproxy/haproxy.cfg';

/** Real nodes behind a real HAProxy with the configuration that is shipped. */
let cluster: Cluster;
let balancer: Haproxy;
const recorder = new ClosedRecorder('candles:XRPETH:1m:closed');

const nameOf = (gateway: ClusterNode) => `gateway-${cluster.gateways.indexOf(gateway) + 1}`;

async function serving(): Promise<ClusterNode> {
  const running = cluster.gateways.filter((gateway) => gateway.running);
  const counts = await Promise.all(running.map((gateway) => gateway.metric('connections')));
  const found = running[counts.findIndex((count) => count > 0)];
  if (found === undefined) throw new Error('no gateway has a connection');
  return found;
}

/** Through the balancer. */
function ask(
  path: string,
  options: { method?: string; localAddress?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; weight: number; text: string }> {
  const { body = '', ...rest } = options;
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: balancer.port, path, agent: false, ...rest }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      const weight = Number(response.headers['x-mbx-used-weight-1m']);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, weight, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

it('is a configuration that HAProxy accepts', () => {
  expect(checkHaproxyConfig(join(ROOT, CONFIG))).toBe('');
});

describe.runIf(full)('behind it', () => {
  beforeAll(async () => {
    cluster = await Cluster.start({
      ingest: 1,
      gateways: 2,
      symbols: ['XRPETH'],
      speed: 240,
      moreFeeds: ['push'],
      env: { TRUSTED_PROXIES: '1' },
    });
    const [first, second] = cluster.ports;
    const ingest = cluster.ingest[0]?.port;
    if (first === undefined || second === undefined || ingest === undefined) throw new Error('nodes are missing');
    balancer = await Haproxy.start(read(CONFIG), { 'gateway-1': first, 'gateway-2': second, 'ingest-1': ingest });
  });

  afterAll(async () => {
    recorder.disconnect();
    await balancer?.stop();
    await cluster?.stop();
  });

  it('keeps WebSockets, and a client of a gateway that drains is told, and goes on at the other without a hole', async () => {
    await eventually(
      async () => JSON.parse((await ask('/v1/candles?symbol=XRPETH&interval=1m')).text) as { candles?: unknown[] },
      ({ candles = [] }) => candles.length > 0,
    );
    await recorder.connect(balancer.port);
    await recorder.reach(5);
    const leaving = await serving();
    const other = cluster.gateways.find((gateway) => gateway !== leaving);
    // Whoever has the fewest gets the next: of three, each gateway gets one.
    const code = await new Promise<number>((resolve, reject) => {
      const sockets = [1, 2, 3].map(() => new WebSocket(`ws://127.0.0.1:${balancer.port}/v1/stream`));
      let open = 0;
      for (const socket of sockets) {
        socket.on('error', reject);
        socket.on('close', (closed) => {
          for (const one of sockets) one.terminate();
          resolve(closed);
        });
        socket.on('open', () => {
          if (++open === sockets.length) void leaving.drain();
        });
      }
    });
    expect(code).toBe(1001);
    recorder.disconnect();
    await recorder.connect(balancer.port);
    await recorder.reach(recorder.candles.length + 5);
    expect(await serving()).toBe(other);
    expect(recorder.faults).toEqual([]);
  });

  it('says who asks, whatever they say themselves', async () => {
    const weight = async (options: Parameters<typeof ask>[1]) => (await ask('/api/v3/ping', options)).weight;
    const spoofed = { headers: { 'X-Forwarded-For': '192.0.2.1' } };
    expect(await weight({})).toBe(1);
    expect(await weight(spoofed)).toBe(2);
    expect(await weight({ localAddress: '127.0.0.2' })).toBe(1);
    expect(await weight({ localAddress: '127.0.0.2', ...spoofed })).toBe(2);
  });

  it('sends pushed trades to ingest, and keeps what is for the operator to itself', async () => {
    const trade = { symbol: 'PUSHED', id: 1, price: '1.5', quantity: '2', time: Date.now(), side: 'buy' };
    const headers = { 'content-type': 'application/json' };
    const pushed = await ask('/v1/trades', { method: 'POST', headers, body: JSON.stringify([trade]) });
    expect([pushed.status, pushed.text]).toEqual([200, expect.stringContaining('"accepted":1')]);
    expect((await ask('/metrics')).status).toBe(404);
    expect((await ask('/balancer')).status).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
  });

  it('takes a gateway back when it is ready, and clients stay whole while the other one goes', async () => {
    const away = cluster.gateways.find((gateway) => !gateway.running);
    if (away === undefined) throw new Error('none was drained');
    await away.start();
    await balancer.untilUp(['gateway-1', 'gateway-2', 'ingest-1']);
    const other = cluster.gateways.find((gateway) => gateway !== away);
    expect(await other?.drain()).toBe(0);
    recorder.disconnect();
    await recorder.connect(balancer.port);
    await recorder.reach(recorder.candles.length + 5);
    expect(nameOf(await serving())).toBe(nameOf(away));
    expect(recorder.faults).toEqual([]);
    expect(cluster.faults).toEqual([]);
  });

  it('has pages, history and new sockets go on while Redis is away, at whoever does not leave', async () => {
    const away = cluster.gateways.find((gateway) => !gateway.running);
    if (away === undefined) throw new Error('none was drained');
    await away.start();
    await balancer.untilUp(['gateway-1', 'gateway-2', 'ingest-1']);
    // What has no end goes up to what is live, which nobody can see then.
    const [open] = recorder.candles.map(({ t }) => t).slice(-1);
    const history = `/v1/candles?symbol=XRPETH&interval=1m&limit=2&to=${open}`;
    await eventually(
      () => ask(history),
      ({ status }) => status === 200,
    );
    await cluster.redis.kill();
    await balancer.untilUp([]);
    await expectServed(history);
    expect((await ask('/readyz')).status).toBe(503);
    const leaving = await serving();
    expect(await leaving.drain()).toBe(0);
    await expectServed(history);
    await cluster.redis.restart();
    await leaving.start();
    await balancer.untilUp(['gateway-1', 'gateway-2', 'ingest-1']);
    recorder.disconnect();
    await recorder.connect(balancer.port);
    await recorder.reach(recorder.candles.length + 5);
    expect(recorder.faults).toEqual([]);
  });

  /** More often than there are gateways, so that each is met. */
  async function expectServed(history: string): Promise<void> {
    for (let i = 0; i < 6; i++) {
      const { status, text } = await ask(history);
      expect([status, text]).toEqual([200, expect.stringContaining('"candles":[{')]);
      expect([(await ask('/')).status, (await ask('/balancer')).status]).toEqual([200, 200]);
      const socket = new WebSocket(`ws://127.0.0.1:${balancer.port}/v1/stream`);
      await once(socket, 'open');
      socket.terminate();
    }
  }
});
