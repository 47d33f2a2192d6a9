import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UserError } from '../../src/kit/errors.js';
import { SpoolClosedError, SpoolFullError } from '../../src/store/spool/errors.js';
import { decodeFrame } from '../../src/store/spool/frame.js';
import type { SpoolRecord } from '../../src/store/spool/record.js';
import { SEGMENT_HEADER, segmentPath } from '../../src/store/spool/segment.js';
import { minute, minutes, openSpool, pendingOf, T0, temporaryDirectory } from './spool-support.js';

const gap: SpoolRecord = {
  kind: 'gap',
  epoch: 7,
  gap: { symbol: 'NULL', from: T0, to: T0 + 60_000, reason: 'größere Lücke "x"', seq: 12 },
};

test('what was appended is there after a restart, field by field', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  const flat = minute(3, {
    trades: 0,
    firstTradeId: null,
    lastTradeId: null,
    firstTradeTime: null,
    lastTradeTime: null,
  });
  await spool.append([minute(1), gap]);
  await spool.append([flat]);
  await spool.stop();
  expect(await pendingOf(await openSpool(directory))).toEqual([minute(1), gap, flat]);
});

test('appends of one turn share a commit, and those during a sync share the next', async () => {
  const spool = await openSpool(await temporaryDirectory());
  const first = Array.from({ length: 50 }, (_, i) => spool.append([minute(i)]));
  await Promise.all(first);
  expect(spool.stats()).toMatchObject({ commits: 1, appendedRecords: 50, recordsBehind: 50 });
  const leading = spool.append([minute(50)]);
  await Promise.resolve();
  await Promise.resolve();
  const following = Array.from({ length: 49 }, (_, i) => spool.append([minute(51 + i)]));
  await Promise.all([leading, ...following]);
  expect(spool.stats().commits).toBe(3);
  expect(await pendingOf(spool)).toEqual(minutes(0, 100));
});

test('only closed one-minute candles are taken', async () => {
  const spool = await openSpool(await temporaryDirectory());
  await expect(spool.append([minute(1, { interval: '5m' })])).rejects.toThrow(TypeError);
  await expect(spool.append([minute(1, { closed: false })])).rejects.toThrow(TypeError);
  expect(await pendingOf(spool)).toEqual([]);
});

test('a tail torn at any byte is cut off, and what stood before it stays', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append([minute(1)]);
  const whole = spool.end.offset;
  await spool.append([minute(2), gap]);
  await spool.stop();
  const path = segmentPath(directory, 1);
  const bytes = await readFile(path);
  for (let cut = whole; cut < bytes.length; cut++) {
    await writeFile(path, bytes.subarray(0, cut));
    const again = await openSpool(directory);
    expect(again.stats()).toMatchObject({ recordsBehind: 1, tornBytes: cut - whole });
    expect(await pendingOf(again)).toEqual([minute(1)]);
    await again.append([minute(3)]);
    expect(await pendingOf(again)).toEqual([minute(1), minute(3)]);
    await again.stop();
  }
});

test('a last frame with any byte wrong is cut off', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append([minute(1)]);
  const whole = spool.end.offset;
  await spool.append([minute(2)]);
  await spool.stop();
  const path = segmentPath(directory, 1);
  const bytes = await readFile(path);
  for (let at = whole; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (at % 8)), at);
    await writeFile(path, damaged);
    const again = await openSpool(directory);
    expect(await pendingOf(again)).toEqual([minute(1)]);
    await again.stop();
  }
});

test('a bit wrong before the last frame stops the start with file and offset', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append([minute(1)]);
  const begin = spool.end.offset;
  await spool.append([minute(2)]);
  const end = spool.end.offset;
  await spool.append([minute(3)]);
  await spool.stop();
  const path = segmentPath(directory, 1);
  const bytes = await readFile(path);
  for (let at = begin; at < end; at++) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (at % 8)), at);
    await writeFile(path, damaged);
    const error = await openSpool(directory).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(`${path} is damaged at byte ${begin}`);
  }
});

test('a short segment before the last one, a missing one and a foreign file stop the start', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory, { segmentBytes: 4096, maxBytes: 10 ** 6 });
  for (let n = 0; n < 60; n++) await spool.append([minute(n)]);
  await spool.stop();
  const second = segmentPath(directory, 2);
  const bytes = await readFile(second);
  await truncate(second, bytes.length - 1);
  await expect(openSpool(directory)).rejects.toThrow(`${second} is damaged`);
  await writeFile(second, Buffer.concat([Buffer.from('x'), bytes.subarray(1)]));
  await expect(openSpool(directory)).rejects.toThrow(`${second} is not a spool segment`);
  await (await import('node:fs/promises')).unlink(second);
  await expect(openSpool(directory)).rejects.toThrow(`${second} is missing`);
});

test('a segment whose header was torn begins anew', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append([minute(1)]);
  await spool.stop();
  for (let bytes = 0; bytes < SEGMENT_HEADER.length; bytes++) {
    await writeFile(segmentPath(directory, 2), SEGMENT_HEADER.subarray(0, bytes));
    const again = await openSpool(directory);
    expect(again.end).toEqual({ segment: 2, offset: SEGMENT_HEADER.length });
    expect(await pendingOf(again)).toEqual([minute(1)]);
    await again.stop();
  }
});

test('batches follow each other across segments, wake the reader, and go when acknowledged', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory, { segmentBytes: 4096, maxBytes: 10 ** 6 });
  for (let n = 0; n < 100; n++) await spool.append([minute(n)]);
  const seen: SpoolRecord[] = [];
  for (let at = spool.acked; ; ) {
    const batch = await spool.read(at, 7);
    if (batch === null) break;
    seen.push(...batch.records);
    at = batch.end;
    spool.ack(batch, batch.records.length);
  }
  expect(seen).toEqual(minutes(0, 100));
  expect(spool.stats()).toMatchObject({ recordsBehind: 0, oldestAgeMs: null });
  const woken = spool.appended();
  await spool.append([minute(100)]);
  await woken;
  expect((await spool.read(spool.acked, 7))?.records).toEqual([minute(100)]);
  await spool.stop();
  expect((await readdir(directory)).filter((name) => name.endsWith('.seg'))).toHaveLength(1);
  const again = await openSpool(directory);
  expect(await pendingOf(again)).toEqual([minute(100)]);
});

test('a lost or unreadable cursor only means that everything is delivered again', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append(minutes(0, 3));
  const batch = await spool.read(spool.acked, 3);
  if (batch !== null) spool.ack(batch, 3);
  await spool.stop();
  expect(await pendingOf(await openSpool(directory))).toEqual([]);
  await writeFile(join(directory, 'acked.json'), '{"segment":');
  expect(await pendingOf(await openSpool(directory))).toEqual(minutes(0, 3));
});

test('a full spool refuses, says how full it is, and takes more after a drain', async () => {
  const spool = await openSpool(await temporaryDirectory(), { segmentBytes: 4096, maxBytes: 16_384 });
  let kept = 0;
  let error: unknown;
  while (error === undefined)
    error = await spool.append([minute(kept)]).then(
      () => void kept++,
      (cause: unknown) => cause,
    );
  expect(error).toBeInstanceOf(SpoolFullError);
  expect(spool.stats().fullFraction).toBeGreaterThan(0.9);
  expect(spool.stats().bytes).toBeLessThanOrEqual(16_384 + 100);
  expect(await pendingOf(spool)).toEqual(minutes(0, kept));
  const batch = await spool.read(spool.acked, kept);
  if (batch !== null) spool.ack(batch, batch.records.length);
  await expect.poll(() => spool.stats().bytes, { timeout: 20_000 }).toBeLessThan(8192);
  await spool.append([minute(kept)]);
});

test('a long append is split into frames that stay within their limit', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append(minutes(0, 20_000));
  expect(spool.stats()).toMatchObject({ recordsBehind: 20_000 });
  expect(spool.stats().commits).toBeGreaterThan(1);
  expect(spool.stats().bytes).toBe((await stat(segmentPath(directory, 1))).size);
  const bytes = await readFile(segmentPath(directory, 1));
  for (let at = SEGMENT_HEADER.length; at < bytes.length; ) {
    const frame = decodeFrame(bytes, at);
    expect(frame?.size).toBeLessThan(1_200_000);
    at += frame?.size ?? bytes.length;
  }
  expect(await pendingOf(spool)).toEqual(minutes(0, 20_000));
});

test('a stopped spool takes nothing', async () => {
  const spool = await openSpool(await temporaryDirectory());
  const last = spool.append([minute(1)]);
  await spool.stop();
  await last;
  await expect(spool.append([minute(2)])).rejects.toThrow(SpoolClosedError);
});
