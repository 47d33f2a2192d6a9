import { expect, test } from 'vitest';
import { StaleChannels } from '../../src/web/stale.js';
import type { ServerMessage } from '../../src/wire/messages.js';

const beat = (channel: string, stale: boolean): ServerMessage => {
  const base = { type: 'heartbeat', channel, epoch: 1, seq: 1 } as const;
  return stale ? { ...base, stale } : base;
};

test('data is stale from the first channel of which the server says so to the last that has something new', () => {
  const channels = new StaleChannels();
  expect(channels.take(beat('a', false))).toBe(false);
  expect(channels.take(beat('a', true))).toBe(true);
  expect(channels.take(beat('status', true))).toBe(false);
  expect(channels.take({ type: 'pong', time: 1 })).toBe(false);
  expect(channels.take({ type: 'error', channel: 'a', code: 'history_unavailable', message: '' })).toBe(false);
  expect(channels.take({ type: 'status', channel: 'status', epoch: 1, seq: 2, symbols: [] })).toBe(false);
  expect(channels.any).toBe(true);
  expect(
    channels.take({ type: 'resync', channel: 'a', epoch: 1, seq: 2, candles: [], gaps: [], recovered: true }),
  ).toBe(true);
  expect(channels.any).toBe(false);
});

test('a lost connection forgets', () => {
  const channels = new StaleChannels();
  channels.take(beat('a', true));
  channels.clear();
  expect(channels.any).toBe(false);
});
