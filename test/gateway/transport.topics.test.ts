import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { Topics } from '../../src/gateway/transport/topics.js';
import { KINDS, OPTIONS, Signal, startServer, stopAll, turn } from './transport-kit.js';

afterEach(stopAll);

/** Posts 'hello' once it is connected and, at the close, the pairs of numbers between which some are missing. */
const READER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { WebSocket } = require('ws');
  const ws = new WebSocket('ws://127.0.0.1:' + workerData, { perMessageDeflate: false });
  const holes = [];
  let next = 0;
  ws.on('message', (data) => {
    if (data.toString() === 'hello') return parentPort.postMessage('hello');
    const n = parseInt(data.toString('latin1', 0, 12), 10);
    if (n !== next) holes.push([next, n]);
    next = n + 1;
  });
  ws.on('close', () => parentPort.postMessage(holes));
  ws.on('error', () => undefined);
`;

describe.each(KINDS)('topics over %s', (kind) => {
  test('frames arrive in the order of send and publish, across topics, text and binary', async () => {
    const { join, transport } = await startServer(kind);
    const { client, socket } = await join();
    socket.subscribe('a');
    socket.subscribe('b');
    socket.send('1');
    transport.publish('a', '2');
    socket.send('3');
    transport.publish('b', Buffer.from('4'));
    transport.publish('a', '5');
    socket.send(Buffer.from('6'));
    await client.received(6);
    expect(client.frames.map(String)).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  test('a subscription takes hold at once: not what was published before it, all that comes after it', async () => {
    const { join, transport } = await startServer(kind);
    const { client, socket } = await join();
    transport.publish('t', 'before');
    socket.send('snapshot');
    socket.subscribe('t');
    transport.publish('t', 'after');
    socket.unsubscribe('t');
    transport.publish('t', 'too late');
    socket.send('end');
    await client.received(3);
    expect(client.frames).toEqual(['snapshot', 'after', 'end']);
  });

  test('subscribing twice gives each frame once; unsubscribing what one has not is nothing', async () => {
    const { join, transport } = await startServer(kind);
    const { client, socket } = await join();
    socket.unsubscribe('t');
    socket.subscribe('t');
    socket.subscribe('t');
    transport.publish('t', 'once');
    socket.unsubscribe('t');
    transport.publish('t', 'never');
    socket.send('end');
    await client.received(2);
    expect(client.frames).toEqual(['once', 'end']);
  });

  test('a topic nobody listens to takes frames, and others do not get them', async () => {
    const { join, transport } = await startServer(kind);
    const { client, socket } = await join();
    socket.subscribe('t');
    transport.publish('nobody', 'x');
    transport.publish('', 'x');
    transport.publish('t:1m', 'x');
    transport.publish('t', 'mine');
    await client.received(1);
    expect(client.frames).toEqual(['mine']);
  });

  test('500 topics published in one turn reach each of their subscribers in order, in few writes', async () => {
    const { join, transport } = await startServer(kind);
    const all = await join();
    const some = await join();
    let reads = 0;
    const tcp = Reflect.get(all.client.ws, '_socket') as NodeJS.EventEmitter;
    tcp.on('data', () => reads++);
    for (let i = 0; i < 500; i++) {
      all.socket.subscribe(`t${i}`);
      if (i % 50 === 0) some.socket.subscribe(`t${i}`);
    }
    for (let i = 0; i < 500; i++) transport.publish(`t${i}`, `frame ${i} ${'x'.repeat(150)}`);
    await all.client.received(500);
    await some.client.received(10);
    expect(all.client.frames.map((frame) => Number(String(frame).split(' ')[1]))).toEqual([...Array(500).keys()]);
    expect(some.client.frames.map((frame) => Number(String(frame).split(' ')[1]))).toEqual(
      [...Array(10).keys()].map((i) => i * 50),
    );
    // uWS writes after every 32 frames; one write a frame would be 500 of them.
    expect(reads).toBeLessThan(40);
  });

  test('a publish from within a message handler reaches the others, and the sender in order', async () => {
    const { join, transport } = await startServer(kind, {
      message(socket, text) {
        socket.send(`to you: ${text}`);
        transport.publish('t', `to all: ${text}`);
        socket.send('done');
      },
    });
    const one = await join();
    const two = await join();
    one.socket.subscribe('t');
    two.socket.subscribe('t');
    one.client.ws.send('hi');
    await one.client.received(3);
    await two.client.received(1);
    expect(one.client.frames).toEqual(['to you: hi', 'to all: hi', 'done']);
    expect(two.client.frames).toEqual(['to all: hi']);
  });

  test('any interleaving of subscribe, unsubscribe, send, publish and turns delivers what a list would', async () => {
    const { join, transport } = await startServer(kind);
    const op = fc.oneof(
      fc.record({ op: fc.constantFrom('subscribe', 'unsubscribe', 'publish'), topic: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ op: fc.constantFrom('send', 'turn'), topic: fc.constant('') }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(op, { maxLength: 120 }), async (ops) => {
        const { client, socket } = await join();
        const topics = new Set<string>();
        const expected: string[] = [];
        for (const [i, { op: name, topic }] of [...ops, { op: 'send', topic: '' }].entries()) {
          if (name === 'turn') await turn();
          if (name === 'subscribe') topics.add(topic);
          if (name === 'unsubscribe') topics.delete(topic);
          if (name === 'send' || (name === 'publish' && topics.has(topic))) expected.push(`${i}`);
          if (name === 'subscribe') socket.subscribe(topic);
          if (name === 'unsubscribe') socket.unsubscribe(topic);
          if (name === 'send') socket.send(`${i}`);
          if (name === 'publish') transport.publish(topic, `${i}`);
        }
        await client.received(expected.length);
        expect(client.frames).toEqual(expected);
        client.ws.terminate();
      }),
      { numRuns: 60 },
    );
  });
});

describe.each(KINDS)('slow clients over %s', (kind) => {
  test.each([
    [16_000, 4],
    [1_000, 300],
    [180, 1_000],
  ])(
    'one that stops reading %i-byte frames gets a prefix without a hole, then 1006; the others get all',
    async (bytes, aTurn) => {
      const { join, transport, closes } = await startServer(kind);
      const slow = await join('/slow');
      const good = await join('/good');
      slow.socket.subscribe('t');
      good.socket.subscribe('t');
      slow.client.ws.pause();
      const padding = 'x'.repeat(bytes);
      let sent = 0;
      while (closes.length === 0 && sent * bytes < 200_000_000) {
        for (let i = 0; i < aTurn; i++) transport.publish('t', `${sent++} ${padding}`);
        await good.client.received(sent);
      }
      slow.client.ws.resume();
      expect(await slow.client.closed).toMatchObject({ code: 1006 });
      expect(closes).toMatchObject([{ socket: slow.socket, code: 1006 }]);
      expect(slow.client.frames.length).toBeLessThan(sent);
      slow.client.frames.forEach((frame, i) => {
        if (Number.parseInt(String(frame), 10) !== i) throw new Error(`frame ${i} is ${String(frame).slice(0, 20)}`);
      });
      good.client.frames.forEach((frame, i) => {
        if (Number.parseInt(String(frame), 10) !== i) throw new Error(`frame ${i} is ${String(frame).slice(0, 20)}`);
      });
      expect(good.client.frames).toHaveLength(sent);
      expect(good.socket.send('on')).not.toBe('closed');
    },
  );

  test('one that wakes up in the middle of it all never sees a hole either', async () => {
    const { join, transport, closes } = await startServer(kind);
    const slow = await join('/slow');
    slow.socket.subscribe('t');
    const padding = 'x'.repeat(4_000);
    let sent = 0;
    for (let round = 0; round < 2_000 && closes.length === 0; round++) {
      if (round % 40 === 0) slow.client.ws.pause();
      for (let i = 0; i < 10; i++) transport.publish('t', `${sent++} ${padding}`);
      slow.socket.send(`${sent++} `);
      await turn();
      // Reads on only once something is stuck: the moment when a hole could be made.
      if (slow.socket.bufferedBytes() > OPTIONS.maxBufferedBytes * 0.8) slow.client.ws.resume();
    }
    slow.client.ws.resume();
    if (closes.length === 0) await slow.client.received(sent);
    else await slow.client.closed;
    slow.client.frames.forEach((frame, i) => {
      if (Number.parseInt(String(frame), 10) !== i) throw new Error(`frame ${i} is ${String(frame).slice(0, 20)}`);
    });
  });

  test('a burst far over the limit to a peer that reads all the while makes no hole', async () => {
    const { port, sockets, closed, transport } = await startServer(kind, {
      open(socket) {
        socket.subscribe('t');
        socket.send('hello');
      },
    });
    // A thread of its own, so that it reads while this one is in the middle of a turn.
    const reader = new Worker(READER, { eval: true, workerData: port });
    await once(reader, 'message');
    const padding = 'x'.repeat(1_500);
    let sent = 0;
    for (let round = 0; round < 20 && sockets[0]?.send(`${sent++} `) !== 'closed'; round++) {
      for (let i = 0; i < 4_000; i++) transport.publish('t', `${sent++} ${padding}`);
      await turn();
    }
    sockets[0]?.close(1000, '');
    await closed(1);
    const [holes] = await once(reader, 'message');
    expect(holes).toEqual([]);
  });

  test('send says buffered, bufferedBytes counts it, drain tells when it has left', async () => {
    const changes = new Signal();
    const { join, closes } = await startServer(kind, { drain: () => changes.fire() });
    const { client, socket } = await join();
    client.ws.pause();
    const statuses: string[] = [];
    const padding = 'x'.repeat(20_000);
    while (socket.bufferedBytes() < 60_000) {
      statuses.push(socket.send(`${statuses.length} ${padding}`));
      await turn();
    }
    expect(statuses[0]).toBe('sent');
    expect(statuses.at(-1)).toBe('buffered');
    expect(new Set(statuses)).toEqual(new Set(['sent', 'buffered']));
    const drained = changes.until(() => socket.bufferedBytes() === 0);
    client.ws.resume();
    await drained;
    await client.received(statuses.length);
    expect(client.frames.map((frame) => Number.parseInt(String(frame), 10))).toEqual([...statuses.keys()]);
    expect(closes).toHaveLength(0);
  });

  test('send says dropped once the limit is passed, takes nothing more, and the socket is cut', async () => {
    const { join, closed, closes } = await startServer(kind);
    const { client, socket } = await join();
    client.ws.pause();
    const padding = 'x'.repeat(20_000);
    let taken = 0;
    while (socket.send(`${taken} ${padding}`) !== 'dropped') {
      taken++;
      if (taken % 4 === 0) await turn();
      if (taken > 10_000) throw new Error('never dropped');
    }
    expect(socket.send('small')).toBe('dropped');
    await closed(1);
    expect(closes).toMatchObject([{ code: 1006 }]);
    client.ws.resume();
    await client.closed;
    client.frames.forEach((frame, i) => {
      expect(Number.parseInt(String(frame), 10)).toBe(i);
    });
    expect(client.frames.length).toBeLessThanOrEqual(taken);
  });
});

test('a topic without subscribers holds no memory', () => {
  const topics = new Topics<number>();
  for (let i = 0; i < 100; i++) topics.add(`t${i}`, 1);
  topics.add('t1', 2);
  for (let i = 0; i < 100; i++) topics.remove(`t${i}`, 1);
  expect(topics.size).toBe(1);
  topics.remove('t1', 3);
  topics.remove('t1', 2);
  expect(topics.size).toBe(0);
});
