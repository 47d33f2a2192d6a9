import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/wire/codes.js';
import type { ServerMessage } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';
import type { TestClient } from './client.js';
import { Harness, TRANSPORTS } from './harness.js';
import { ListLog } from './transport-kit.js';
import { TestUsers } from './users.js';

const FRAMES = 30_000;
const FRAMES_A_CLIENT = 200;
const SEED = 20_260_105;
const ANN = '018f0000-0000-7000-8000-00000000000a';
const BEN = '018f0000-0000-7000-8000-00000000000b';

const CORPUS = readFileSync(new URL('../fixtures/fuzz/client-frames.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '');

/** What parsers and schemas trip over. */
const PIECES = [
  ...['"', '\\', '{', '}', '[', ']', ',', ':', 'null', 'true', '-1', '1e999', '0.1', '9007199254740993', '\\u0000'],
  ...['\ud83d\ude00', '\u2028', '"__proto__"', '"op"', '"channels"', '"seq"', '"id"', '"token"', '{}', '[]', '""'],
  ...['"auth"', '"ack"', '"subscribe"', '"signals"', '"position"', '"device"', '[[[[[[', '{"a":{"a":', ' ', '\n', '\t'],
];

/** mulberry32: the same frames in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function mutated(frame: string, random: (below: number) => number): string | Uint8Array {
  let text = frame;
  for (let left = random(4); left > 0; left--) text = mutation(text, random).slice(0, 3000);
  return random(40) === 0 ? Buffer.from(text) : text;
}

function mutation(text: string, random: (below: number) => number): string {
  const at = random(text.length + 1);
  const length = random(8);
  const piece = PIECES[random(PIECES.length)] ?? '';
  const other = CORPUS[random(CORPUS.length)] ?? '';
  const kinds = [
    () => text.slice(0, at) + text.slice(at + length),
    () => text.slice(0, at) + piece + text.slice(at),
    () => text.slice(0, at) + piece + text.slice(at + length),
    () => text.slice(0, at) + text.slice(at, at + length).repeat(1 + random(20)) + text.slice(at + length),
    () => text.slice(0, at) + other.slice(random(other.length)),
    () => text.slice(0, at) + String.fromCharCode(random(0x10000)) + text.slice(at + 1),
    () => text.slice(0, at),
    () => text.replace(/-?\d+/, String([-1, 0, 1, 2 ** 31, 2 ** 53, 1e21, 0.5][random(7)])),
  ];
  return (kinds[random(kinds.length)] ?? kinds[0])?.() ?? text;
}

/** Until it is closed, or has answered a ping: one that comes while a token is verified may be dropped. */
async function done(client: TestClient): Promise<void> {
  for (let attempt = 0; client.closeCode === null; attempt++) {
    const seen = client.messages.length;
    client.send({ op: 'ping', id: `done ${attempt}` });
    const isDropped = (m: ServerMessage) =>
      m.type === 'error' && m.code === 'rate_limited' && client.messages.indexOf(m) >= seen;
    const isAnswer = (m: ServerMessage) => m.type === 'pong' && m.id === `done ${attempt}`;
    const answer = await client.until((m) => isAnswer(m) || isDropped(m)).catch(() => null);
    if (answer?.type === 'pong') return;
  }
}

const CODES: ReadonlySet<string> = new Set(Object.keys(ERROR_CODES));
/** A connection that is cut off cannot be undisturbed; those of the fuzzer end with these. */
const CLOSES: readonly (number | null)[] = [null, 4101, 4102, 4103, 4105];

function expectLawful(client: TestClient): void {
  expect(CLOSES).toContain(client.closeCode);
  for (const code of new Set(client.all('error').map((error) => error.code))) {
    expect(CODES).toContain(code);
    expect(code).not.toBe('internal');
  }
  const sample = client.messages.slice(0, 20);
  for (const message of sample) serverMessage.parse(message);
}

describe.each(TRANSPORTS)('mutated frames on %s', (transport) => {
  it(`${FRAMES} of them crash nothing, reveal nothing, and disturb nobody`, async () => {
    const log = new ListLog();
    const users = new TestUsers();
    const limits = { messageBurst: 10_000, messagesPerSecond: 100_000, invalidInARow: 150, authFailures: 100 };
    const harness = await Harness.withUsers(users, transport, limits, log);
    const random = generator(SEED);
    try {
      const other = await harness.userClient(users.accounts.token(BEN));
      other.send({ op: 'subscribe', channels: ['signals', 'candles:BTCUSDT:1m:closed'] });
      await other.until(() => other.all('subscribed').length === 2);
      let sent = 0;
      for (let round = 1; sent < FRAMES; round++) {
        const token = users.accounts.token(ANN);
        const client = await harness.client(round % 2 === 0 ? 'json' : 'msgpack');
        for (let i = 0; i < FRAMES_A_CLIENT; i++, sent++) {
          const frame = (CORPUS[random(CORPUS.length)] ?? '').replace('{{token}}', token);
          client.sendRaw(mutated(frame, random));
        }
        users.signals.publish(ANN);
        users.signals.publish(BEN);
        harness.bus.publish(harness.market.close());
        await done(client);
        expectLawful(client);
        expect(JSON.stringify(client.messages)).not.toContain(BEN);
        client.socket.terminate();
        harness.clients.pop();
      }
      await other.sync();
      const rounds = FRAMES / FRAMES_A_CLIENT;
      expect(other.all('signal').map((m) => m.seq)).toEqual(Array.from({ length: rounds }, (_, i) => i + 1));
      expect(other.all('candle')).toHaveLength(rounds);
      expect(other.all('error')).toEqual([]);
      expect(harness.gateway.stats.authenticated).toBeGreaterThan(0);
      expect(users.accounts.verified).toBeGreaterThan(rounds);
      expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
    } finally {
      await harness.stop();
    }
  });
});
