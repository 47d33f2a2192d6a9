import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { restore as restoreFrom, backup as saveTo } from '../../src/app/cli/backup.js';
import { loadConfig } from '../../src/config/config.js';
import { parseFeeds } from '../../src/feed/spec.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { Position } from '../../src/market/position.js';
import { Lifecycle } from '../../src/ops/lifecycle.js';
import { ProgressLines } from '../../src/ops/progress.js';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';
import { TestClient } from '../gateway/client.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import { testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, TRADES_FILE } from '../support/oracle.js';
import { type Environment, Program, Server } from '../support/server.js';
import { ended, eventually, get, Places } from './support.js';

const CHANNEL = 'candles:XRPETH:1m:closed';
/** A hundred minutes a second. */
const FEEDS = `replay:${TRADES_FILE}?speed=6000&symbol=XRPETH`;
const ADA = { email: 'ada@example.com', password: 'correct horse battery staple' };
const places = new Places();
const servers: Server[] = [];
const recorders: ClosedRecorder[] = [];
afterAll(async () => {
  for (const recorder of recorders) recorder.disconnect();
  await Promise.all(servers.map((server) => server.stop('SIGKILL')));
  await places.clear();
});

async function serve(dataDir: string): Promise<Server> {
  const server = await Server.start({ DATA_DIR: dataDir, FEEDS });
  servers.push(server);
  return server;
}

type Work = typeof saveTo;

function ground(env: Environment): Parameters<Work>[0] {
  const config = loadConfig(parseFeeds, env);
  const progress = new ProgressLines(systemClock, () => {}, false);
  return { config, clock: systemClock, log: silentLog, progress, lifecycle: new Lifecycle(systemClock, silentLog) };
}

/** What a client is answered that was here before. */
async function resumed(server: Server, position: Position): Promise<Extract<ServerMessage, { type: 'subscribed' }>> {
  const client = await TestClient.connect(server.port);
  client.send({ op: 'subscribe', channels: [{ channel: CHANNEL, position }] });
  const answer = await client.type('subscribed');
  client.socket.terminate();
  return answer;
}

async function candles(server: Server): Promise<WireCandle[]> {
  const all: WireCandle[] = [];
  for (let start = 'from=0'; ; ) {
    const path = `/v1/candles?symbol=XRPETH&interval=1m&limit=1000&${start}`;
    const page = await server.json<{ candles: WireCandle[]; next: string | null }>(path);
    all.push(...page.candles);
    if (page.next === null) return all.filter(({ x }) => x);
    start = `cursor=${page.next}`;
  }
}

const logIn = (server: Server) =>
  get<{ accessToken: string }>(server, '/v1/auth/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ADA),
  });

const whoAmI = (server: Server, token: string) =>
  get<{ email: string }>(server, '/v1/auth/me', { headers: { authorization: `Bearer ${token}` } });

it('a running server is backed up; restored elsewhere it has everything, and nobody takes it for what was later', async () => {
  const [first, second, backup] = [
    await testDataDir(),
    await places.directory(),
    join(await places.directory(), 'monday'),
  ];
  places.keep(first);
  const before = await serve(first);
  expect(
    (await new Program(['user', 'create', ADA.email], { DATA_DIR: first }, `${ADA.password}\n`).exited()) ?? 1,
  ).toBe(0);
  const token = (await logIn(before)).body.accessToken;
  const recorder = new ClosedRecorder(CHANNEL);
  recorders.push(recorder);
  await recorder.connect(before.port);
  await recorder.reach(100);
  const early = recorder.position as Position;

  expect(await ended(['db', 'backup', backup], { DATA_DIR: first })).toMatchObject({ code: 0 });
  await recorder.reach(recorder.candles.length + 100);
  const late = recorder.position as Position;
  expect(recorder.faults).toEqual([]);
  recorder.disconnect();
  expect(await before.stop()).toBe(0);

  expect(await ended(['db', 'restore', backup], { DATA_DIR: second })).toMatchObject({ code: 0 });
  const after = await serve(second);
  // While the server is behind the client, and when it has passed it: what the client has may differ from what is here.
  const answers = [await resumed(after, early), await resumed(after, late)];
  await eventually(
    async () => (await resumed(after, { epoch: 1, seq: 0 })).seq,
    (seq) => seq > late.seq,
  );
  answers.push(await resumed(after, early), await resumed(after, late));
  expect(answers.map(({ recovered, candles: { length } }) => [recovered, length > 0])).toEqual([
    [false, true],
    [false, true],
    [false, true],
    [false, true],
  ]);
  for (const { epoch } of answers) expect(epoch).toBeGreaterThan(late.epoch);

  const found = (await candles(after)).map(asKline);
  expect(found.length).toBeGreaterThan(recorder.candles.length);
  expect(found).toEqual(exchangeKlines().slice(0, found.length));
  expect((await logIn(after)).status).toBe(200);
  expect((await whoAmI(after, token)).body).toMatchObject({ email: ADA.email });

  const refusals: [Work, string, Environment, RegExp][] = [
    [saveTo, backup, { DATA_DIR: second }, /monday exists already/],
    [saveTo, `${backup}-2`, { DATA_DIR: await places.directory() }, /has no database/],
    [restoreFrom, backup, { DATA_DIR: second }, /has a timescale already/],
    [restoreFrom, join(second, 'spool'), { DATA_DIR: await places.directory() }, /is no backup/],
    [restoreFrom, backup, { TIMESCALE_URL: 'postgres://db/candles', DATA_DIR: second }, /pg_restore.*docs\/backup\.md/],
  ];
  for (const [work, directory, env, why] of refusals) await expect(work(ground(env), directory)).rejects.toThrow(why);
  expect(existsSync(`${backup}-2`)).toBe(false);
});
