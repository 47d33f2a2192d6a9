import { Parser } from '@asyncapi/parser';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import { CHANNEL_PATTERN, parseChannel } from '../../src/market/channel.js';
import { INTERVALS } from '../../src/market/interval.js';
import { ERROR_CODES } from '../../src/wire/codes.js';
import type { TestClient } from './client.js';
import { Described } from './described.js';
import { Harness } from './harness.js';
import { LossyBus } from './lossy-bus.js';
import { TestMarket } from './market.js';
import { PLAN, TestUsers } from './users.js';

const [ANN, BOB] = ['0198f0c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f', '0198f0c2-b1b2-7c3d-8e4f-5a6b7c8d9e0f'];
const CANDLES = 'candles:BTCUSDT:1m';

const described = new Described();
const users = new TestUsers();
let harness: Harness<LossyBus>;

beforeAll(async () => {
  const market = new TestMarket('BTCUSDT');
  market.closeMany(1200);
  const limits = { pongTimeoutMs: 3_600_000, channelsPerConnection: 3, messageBurst: 20, replaysPerConnection: 1 };
  harness = await Harness.over(new LossyBus(market), market, 'uws', limits, silentLog, users.clock, {
    users,
    replays: market.replays,
  });
});
afterAll(() => harness.stop());

it('is AsyncAPI 3.0', async () => {
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(described.document));
  expect(diagnostics.filter(({ severity }) => severity === 0)).toEqual([]);
  expect(document?.version()).toBe('3.0.0');
  expect(
    document
      ?.operations()
      .filterByReceive()
      .map((operation) => operation.id()),
  ).toEqual(described.requests);
});

it('has examples of all messages that are as described', () => {
  for (const { name, examples } of Object.values(described.document.components.messages))
    if (name !== 'close') for (const { payload } of examples) described.check(payload);
});

it('has every error that a server answers with, and each answer is as described', async () => {
  const answers = new Set<string>();
  const provoke = async (code: string, client: TestClient, frame: string | Uint8Array | object): Promise<void> => {
    client.sendRaw(typeof frame === 'string' || frame instanceof Uint8Array ? frame : JSON.stringify(frame));
    await client.until((m) => m.type === 'error' && m.code === code);
    for (const message of client.messages) described.check(message);
    answers.add(code);
  };
  const subscribe = (...channels: unknown[]) => ({ op: 'subscribe', channels });
  const visitor = await harness.client();
  await provoke('invalid_json', visitor, 'no');
  await provoke('invalid_message', visitor, { op: 'subscribe' });
  await provoke('binary_not_accepted', visitor, new Uint8Array([1]));
  await provoke('unknown_op', visitor, { op: 'sing' });
  await provoke('bad_channel', visitor, subscribe('candles:BTCUSDT:2m'));
  await provoke('unknown_symbol', visitor, subscribe('candles:NOTHING:1m'));
  await provoke('auth_required', visitor, subscribe('signals'));
  await provoke('not_subscribed', visitor, { op: 'unsubscribe', channels: [CANDLES] });
  await provoke('already_subscribed', visitor, subscribe(CANDLES, CANDLES));
  await provoke('too_many_channels', visitor, subscribe(`${CANDLES}:closed`, 'status', 'candles:BTCUSDT:5m'));

  const busy = await harness.client();
  for (let i = 0; i < 25; i++) busy.send({ op: 'ping' });
  await provoke('rate_limited', busy, { op: 'ping' });

  const player = await harness.client();
  const slow = { from: harness.market.now - 3_600_000, speed: 0.01 };
  await provoke('no_history', player, { ...subscribe(CANDLES), replay: { from: 0, to: 60_000 } });
  player.send({ ...subscribe(CANDLES), replay: slow });
  await provoke('too_many_replays', player, { ...subscribe('candles:BTCUSDT:5m'), replay: slow });

  const tokens = await harness.client();
  await provoke('invalid_token', tokens, { op: 'auth', token: 'nonsense' });
  await provoke('token_expired', tokens, { op: 'auth', token: users.accounts.token(ANN, { expiresAt: 1 }) });
  const again = await harness.client();
  const ended = users.accounts.token(ANN);
  users.accounts.end(ended);
  await provoke('token_revoked', again, { op: 'auth', token: ended });
  users.accounts.down = true;
  await provoke('unavailable', again, { op: 'auth', token: users.accounts.token(ANN) });
  users.accounts.down = false;

  const ann = await harness.userClient(users.accounts.token(ANN));
  await provoke('other_user', ann, { op: 'auth', token: users.accounts.token(BOB) });
  users.accounts.setPlan(ANN, { plan: 'free', intervals: ['1h'] });
  await provoke('plan_limit', ann, subscribe(CANDLES));
  const bot = await harness.userClient(users.accounts.token(BOB, { scopes: ['signals:read'], entitlements: PLAN }));
  await provoke('missing_scope', bot, subscribe(CANDLES));

  harness.market.historyDown = true;
  const deep = await harness.client();
  await provoke('history_unavailable', deep, { op: 'subscribe', channels: [CANDLES], snapshot: 1000 });
  // The one that says that the server itself is wrong.
  expect(new Set(Object.keys(ERROR_CODES))).toEqual(new Set([...answers, 'internal']));
});

it('has the grammar of channels as the server reads it', () => {
  const names = ['status', 'signals', 'status:', 'Signals', '', 'candles', 'candles::1m', 'trades:BTCUSDT:1m'];
  for (const symbol of ['BTCUSDT', 'BTC-USD', 'A', '1', '-A', 'btc', 'A B', 'A'.repeat(50), 'A'.repeat(51), 'Ä']) {
    for (const interval of [...INTERVALS, '2m', '', '1M ', '1mm'])
      for (const rest of ['', ':closed', ':open', ':', ':closed:closed'])
        names.push(`candles:${symbol}:${interval}${rest}`);
  }
  for (const name of names)
    expect([name, CHANNEL_PATTERN.test(name)]).toEqual([name, typeof parseChannel(name) !== 'string']);
});
