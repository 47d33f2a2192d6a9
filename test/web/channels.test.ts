import { beforeEach, expect, test } from 'vitest';
import { Channels, type Listener } from '../../src/web/channels.js';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';

const CHANNEL = 'candles:AAA:1m';

let sent: { op: string; id?: number; channels: unknown[] }[];
let heard: string[];
let channels: Channels;

const listener: Listener = {
  onCandles: (candles, _gaps, fresh) =>
    heard.push(`${fresh ? 'fresh' : 'missed'} ${candles.map((c) => c.t).join(' ')}`),
  onCandle: (candle) => heard.push(`candle ${candle.t}`),
  onGap: (gap) => heard.push(`gap ${gap.from}`),
  onError: (code, _message, retrying) => heard.push(`${code} ${retrying}`),
};

function candle(t: number): WireCandle {
  return { t, o: '1', h: '1', l: '1', c: '1', v: '1', n: 1, x: true, r: 0 };
}

function live(seq: number, prev?: number): ServerMessage {
  const base = { type: 'candle', channel: CHANNEL, candle: candle(seq), epoch: 1, seq } as const;
  return prev === undefined ? base : { ...base, prev };
}

function subscribed(seq: number, recovered?: boolean): ServerMessage {
  const id = sent.findLast((message) => message.op === 'subscribe')?.id ?? 0;
  const base = { type: 'subscribed', id, channel: CHANNEL, candles: [candle(seq)], gaps: [], epoch: 1, seq } as const;
  const message = recovered === undefined ? base : { ...base, recovered };
  return { ...message, candles: [...message.candles], gaps: [] };
}

/** What one turn asked for has been sent. */
const turn = () => Promise.resolve();

beforeEach(async () => {
  sent = [];
  heard = [];
  channels = new Channels((message) => sent.push(message as (typeof sent)[number]));
  channels.subscribe(CHANNEL, 500, listener);
  await turn();
});

test('asks for a snapshot, then goes on live', () => {
  expect(sent).toEqual([{ op: 'subscribe', id: 1, channels: [{ channel: CHANNEL, snapshot: 500, atOnce: true }] }]);
  channels.receive(subscribed(10));
  channels.receive(live(10));
  channels.receive(live(11, 10));
  expect(heard).toEqual(['fresh 10', 'candle 10', 'candle 11']);
});

test('hears nothing before the snapshot', () => {
  channels.receive(live(9, 8));
  expect(heard).toEqual([]);
});

test('does not take twice what the snapshot held', () => {
  channels.receive(subscribed(10));
  channels.receive(live(10, 9));
  expect(heard).toEqual(['fresh 10']);
});

test.each([
  ['a durable message that follows another one', live(12, 11)],
  ['an update behind something missed', live(11)],
  ['a heartbeat behind something missed', { type: 'heartbeat', channel: CHANNEL, epoch: 1, seq: 11 } as const],
])('resumes after %s', async (_name, message) => {
  channels.receive(subscribed(10));
  channels.receive(message);
  channels.receive(live(13, 12));
  await turn();
  expect(sent.slice(1)).toEqual([
    { op: 'unsubscribe', channels: [CHANNEL] },
    {
      op: 'subscribe',
      id: 2,
      channels: [{ channel: CHANNEL, snapshot: 500, atOnce: true, position: { epoch: 1, seq: 10 } }],
    },
  ]);
  channels.receive(subscribed(13, true));
  expect(heard).toEqual(['fresh 10', 'missed 13']);
});

test('asks a new connection for what was missed', async () => {
  channels.receive(subscribed(10));
  channels.reopen();
  await turn();
  expect(sent.at(-1)).toEqual({
    op: 'subscribe',
    id: 2,
    channels: [{ channel: CHANNEL, snapshot: 500, atOnce: true, position: { epoch: 1, seq: 10 } }],
  });
  channels.receive(subscribed(20, false));
  expect(heard).toEqual(['fresh 10', 'fresh 20']);
});

test('a resync tells what was missed and moves the position', () => {
  channels.receive(subscribed(10));
  const base = { channel: CHANNEL, candles: [candle(15)], gaps: [], epoch: 1, seq: 15 };
  channels.receive({ type: 'resync', recovered: true, ...base });
  channels.receive(live(16, 15));
  expect(heard).toEqual(['fresh 10', 'missed 15', 'candle 16']);
});

test('an answer to an older question is not taken', async () => {
  const old = subscribed(10);
  channels.unsubscribe(CHANNEL);
  channels.subscribe(CHANNEL, 500, listener);
  await turn();
  channels.receive(old);
  expect(heard).toEqual([]);
});

test('an error that cannot pass is told, one that can is tried again', () => {
  channels.receive({ type: 'error', id: 1, channel: CHANNEL, code: 'unknown_symbol', message: '' });
  expect(heard).toEqual(['unknown_symbol false']);
  channels.receive({ type: 'error', id: 1, channel: CHANNEL, code: 'history_unavailable', message: '' });
  expect(heard.at(-1)).toBe('history_unavailable true');
  channels.unsubscribe(CHANNEL);
});

test('many channels fit into messages the server accepts', async () => {
  sent = [];
  for (let i = 0; i < 60; i++) channels.subscribe(`candles:${'S'.repeat(48)}${i}:1d`, 1, listener);
  channels.reopen();
  await turn();
  expect(sent.flatMap((message) => message.channels)).toHaveLength(61);
  for (const message of sent) expect(JSON.stringify(message).length).toBeLessThan(4096);
});
