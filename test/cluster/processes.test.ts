import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RedisServer } from '../support/redis.js';
import { Ledger } from './ledger.js';
import { PARTITIONS } from './nodes.js';

const NODE = fileURLToPath(new URL('node-process.ts', import.meta.url));
const TAKEOVER_MS = 5000;

interface Said {
  readonly what: 'take' | 'drop' | 'owns';
  readonly partition: string;
  readonly why: string;
  readonly owned: number;
}

let redis: RedisServer;
let children: ChildProcess[];
let ledger: Ledger;
/** Node → what it said it owns, each time. */
let owned: Map<string, number[]>;
beforeEach(async () => {
  redis = await RedisServer.start();
  children = [];
  ledger = new Ledger();
  owned = new Map();
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await redis.stop();
});

function start(id: string): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', NODE, redis.url, id], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const sizes: number[] = [];
  owned.set(id, sizes);
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    const said = JSON.parse(line) as Said;
    if (said.what === 'take') ledger.take(id, said.partition);
    else if (said.what === 'drop') ledger.drop(id, said.partition, said.why);
    else sizes.push(said.owned);
    ledger.changed();
  });
  return child;
}

const ownsAll = (id: string) => ledger.until(() => ledger.ownedBy(id).length === PARTITIONS.length);
const share = PARTITIONS.length / 2;
const balanced = () => ledger.until(() => ['a', 'b'].every((id) => ledger.ownedBy(id).length === share));

it('a process that is stopped past its lease owns nothing from its first moment on; one that is killed is replaced', async () => {
  const a = start('a');
  await ownsAll('a');
  const b = start('b');
  await balanced();

  ledger.cutOff('a');
  const stopped = performance.now();
  a.kill('SIGSTOP');
  await ownsAll('b');
  expect(performance.now() - stopped).toBeLessThan(TAKEOVER_MS);
  const sizes = owned.get('a') as number[];
  const before = sizes.length;
  a.kill('SIGCONT');
  await ledger.until(() => sizes.length >= before + 3);
  expect(sizes.slice(before, before + 3)).not.toContain(share);
  await ledger.until(() => ledger.drops('lost').length === share);
  ledger.back('a');
  await balanced();

  ledger.cutOff('b');
  const killed = performance.now();
  b.kill('SIGKILL');
  await ownsAll('a');
  expect(performance.now() - killed).toBeLessThan(TAKEOVER_MS);
  expect(ledger.violations).toEqual([]);
});
