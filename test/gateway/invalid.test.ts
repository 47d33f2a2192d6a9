import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/wire/codes.js';
import type { TestClient } from './client.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestMarket } from './market.js';

const deep = (open: string, close: string): string => `${open.repeat(500)}1${close.repeat(500)}`;

const INVALID: readonly [string, string | Uint8Array, string, RegExp][] = [
  ['no JSON', 'hello', 'invalid_json', /JSON/],
  ['cut JSON', '{"op":"ping"', 'invalid_json', /JSON/],
  ['an empty frame', '', 'invalid_json', /JSON/],
  ['an array', '[1]', 'invalid_json', /object/],
  ['null', 'null', 'invalid_json', /object/],
  ['a depth bomb of arrays', deep('[', ']'), 'invalid_json', /object/],
  ['a depth bomb in a field', `{"op":"ping","id":${deep('{"a":', '}')}}`, 'invalid_message', /^id/],
  ['a cut depth bomb', '{"a":'.repeat(700), 'invalid_json', /JSON/],
  ['binary garbage', Uint8Array.from([0xff, 0x00, 0xc1]), 'binary_not_accepted', /text/],
  ['no op', '{}', 'invalid_message', /op/],
  ['an op of a wrong type', '{"op":7}', 'invalid_message', /op/],
  ['an unknown op', '{"op":"nope","id":3}', 'unknown_op', /subscribe, unsubscribe, list, ping/],
  ['an op of Object.prototype', '{"op":"constructor"}', 'unknown_op', /one of/],
  ['an unknown field', '{"op":"ping","extra":1}', 'invalid_message', /extra/],
  ['a __proto__ field', '{"op":"ping","__proto__":{"a":1}}', 'invalid_message', /__proto__/],
  ['no channels', '{"op":"subscribe"}', 'invalid_message', /^channels/],
  ['empty channels', '{"op":"subscribe","channels":[]}', 'invalid_message', /^channels/],
  ['a channel of a wrong type', '{"op":"subscribe","channels":["a",5]}', 'invalid_message', /^channels\[1\]/],
  ['a snapshot too large', '{"op":"subscribe","channels":["a"],"snapshot":1001}', 'invalid_message', /^snapshot/],
  [
    'a snapshot inside of a wrong type',
    '{"op":"subscribe","channels":[{"channel":"a","snapshot":"5"}]}',
    'invalid_message',
    /^channels\[0\]\.snapshot/,
  ],
  [
    'half a position',
    '{"op":"subscribe","channels":[{"channel":"a","position":{"epoch":1}}]}',
    'invalid_message',
    /^channels\[0\]\.position\.seq/,
  ],
  [
    'a negative position',
    '{"op":"subscribe","channels":[{"channel":"a","position":{"epoch":1,"seq":-1}}]}',
    'invalid_message',
    /seq/,
  ],
  ['a long id', `{"op":"ping","id":"${'x'.repeat(65)}"}`, 'invalid_message', /^id/],
];

const BAD_CHANNELS = [
  '',
  'candles',
  'candles:BTCUSDT',
  'candles:BTCUSDT:2m',
  'candles:btcusdt:1m',
  'candles:BTCUSDT:1m:open',
  'candles:BTCUSDT:1m:closed:x',
  'candles:BTC"USDT:1m',
  'candles:__proto__:1m',
  'Status',
];

describe.each(TRANSPORTS)('bad input on %s', (transport) => {
  let harness: Harness;
  let client: TestClient;
  beforeEach(async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(5);
    harness = await Harness.start(market, transport);
    client = await harness.client();
  });
  afterEach(() => harness.stop());

  it.each(INVALID)('%s', async (_name, frame, code, message) => {
    client.sendRaw(frame);
    const error = await client.type('error');
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    await client.sync();
  });

  it('echoes the id of what it refuses', async () => {
    client.sendRaw('{"op":"nope","id":"abc"}');
    client.sendRaw('{"op":"list","id":8,"x":1}');
    await client.until(() => client.all('error').length === 2);
    expect(client.all('error').map((error) => error.id)).toEqual(['abc', 8]);
  });

  it('names what is wrong with a channel', async () => {
    client.send({ op: 'subscribe', id: 1, channels: BAD_CHANNELS });
    client.send({ op: 'unsubscribe', id: 2, channels: BAD_CHANNELS });
    await client.sync();
    const errors = client.all('error');
    expect(errors.map((error) => error.channel)).toEqual([...BAD_CHANNELS, ...BAD_CHANNELS]);
    expect(new Set(errors.map((error) => error.code))).toEqual(new Set(['bad_channel']));
  });

  it('refuses a channel twice, and one it does not have', async () => {
    const channels = ['candles:BTCUSDT:1m'];
    client.send({ op: 'subscribe', channels: [...channels, ...channels] });
    client.send({ op: 'unsubscribe', channels: ['candles:BTCUSDT:5m', 'candles:NEW:1m'] });
    await client.sync();
    expect(client.all('error').map((error) => error.code)).toEqual([
      'already_subscribed',
      'not_subscribed',
      'not_subscribed',
    ]);
    expect(client.all('subscribed')).toHaveLength(1);
  });

  it('closes on an oversized frame with 1009', async () => {
    client.send({ op: 'ping', id: 'x', extra: 'y'.repeat(5000) });
    expect(await client.closed()).toBe(1009);
  });

  it('closes when nothing but garbage comes, with 4102', async () => {
    for (let i = 0; i < 30; i++) client.sendRaw('garbage');
    expect(await client.closed()).toBe(4102);
    expect(client.all('error')).toHaveLength(21);
    expect(harness.gateway.stats.closes).toEqual({ 4102: 1 });
  });

  it('answers every frame with what the vocabulary has, and lives', async () => {
    const value = fc.oneof(fc.jsonValue(), fc.string());
    const message = fc.record(
      {
        op: fc.oneof(fc.constantFrom('subscribe', 'unsubscribe', 'list', 'ping'), value),
        id: value,
        channels: fc.oneof(
          value,
          fc.array(fc.oneof(value, fc.constantFrom('candles:BTCUSDT:1m', 'status'), fc.record({ channel: value }))),
        ),
        snapshot: value,
      },
      { requiredKeys: [] },
    );
    const frame = fc.oneof(
      message.map((m) => JSON.stringify(m).slice(0, 1200)),
      fc.string(),
      fc.uint8Array(),
    );
    const codes = new Set<string>(Object.keys(ERROR_CODES));
    const run = async (frames: readonly (string | Uint8Array)[]): Promise<void> => {
      const own = await harness.client();
      for (const one of frames) own.sendRaw(one);
      await own.sync();
      for (const error of own.all('error')) expect(codes).toContain(error.code);
      expect(own.all('error').map((error) => error.code)).not.toContain('internal');
      own.socket.terminate();
    };
    await fc.assert(fc.asyncProperty(fc.array(frame, { maxLength: 15 }), run), { numRuns: 60, endOnFailure: true });
    await client.sync();
  });
});
