import type { Clock } from '../../kit/clock.js';
import { silentLog } from '../../kit/log.js';
import { checkRedis, closeRedis, createRedis, type RedisClient } from '../../kit/redis.js';
import { type Check, error, type Finding, ok, reasonOf, warning } from './finding.js';
import { compareClocks } from './skew.js';

const PUBSUB_MIN_BYTES = 32 * 2 ** 20;
const FULL = 0.8;

export function redisCheck(url: string, prefix: string, clock: Clock, closesMinutes: boolean): Check {
  return { name: 'REDIS_URL', run: () => check(url, prefix, clock, closesMinutes) };
}

async function check(url: string, prefix: string, clock: Clock, closesMinutes: boolean): Promise<Finding[]> {
  const client = createRedis(url, { name: 'candlecast-doctor', log: silentLog });
  try {
    await checkRedis(client, url, prefix);
    const version = /redis_version:(\S+)/.exec(await infoOf(client, 'server'))?.[1];
    return [
      ok(`Redis ${version ?? ''} answers, and lets us do what is needed`),
      ...memory(await infoOf(client, 'memory')),
      await outputBuffers(client),
      await compareClocks('Redis', clock, () => timeOf(client), closesMinutes),
    ];
  } catch (failure) {
    return [error(reasonOf(failure))];
  } finally {
    closeRedis(client);
  }
}

/** Managed servers forbid some of it. */
function infoOf(client: RedisClient, section: string): Promise<string> {
  return client.info(section).catch(() => '');
}

/** @param info of the section `memory` */
export function memory(info: string): Finding[] {
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
  if (policy === undefined)
    return [warning('INFO memory is not allowed: its limits are not known', 'let the user run INFO (+info)')];
  const max = Number(/maxmemory:(\d+)/.exec(info)?.[1] ?? 0);
  const used = Number(/used_memory:(\d+)/.exec(info)?.[1] ?? 0);
  const findings: Finding[] = [];
  if (policy === 'noeviction') findings.push(ok('maxmemory-policy is noeviction'));
  else
    findings.push(
      error(
        `maxmemory-policy is ${policy}: when it is full, Redis would throw away leases and candles of others without a word`,
        'redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf',
      ),
    );
  if (max === 0)
    findings.push(
      warning(
        'maxmemory is not set: Redis grows until the system ends it',
        'redis-cli CONFIG SET maxmemory 2gb, and the same in redis.conf (docs/operations.md says how much)',
      ),
    );
  else if (used / max > FULL)
    findings.push(
      warning(
        `Redis is ${Math.round((used / max) * 100)} % full: when it is full, nothing more is published`,
        'raise maxmemory',
      ),
    );
  else findings.push(ok(`${Math.round(used / 1e6)} of ${Math.round(max / 1e6)} MB are used`));
  return findings;
}

async function outputBuffers(client: RedisClient): Promise<Finding> {
  const answer: unknown = await client.config('GET', 'client-output-buffer-limit').catch(() => null);
  const text = Array.isArray(answer) ? answer.join(' ') : JSON.stringify(answer ?? '');
  return pubsubLimit(text);
}

/** @param limits as CONFIG GET client-output-buffer-limit tells them; '""' where it is not allowed */
export function pubsubLimit(limits: string): Finding {
  const [, hard, soft] = /pubsub (\d+) (\d+)/.exec(limits) ?? [];
  if (hard === undefined || soft === undefined)
    return ok('client-output-buffer-limit cannot be read here; pubsub should be 32mb 8mb 60, the default');
  const fix = 'redis-cli CONFIG SET client-output-buffer-limit "pubsub 32mb 8mb 60", and the same in redis.conf';
  if (Number(hard) === 0)
    return warning('client-output-buffer-limit of pubsub is off: a stalled gateway takes all memory', fix);
  if (Number(hard) < PUBSUB_MIN_BYTES)
    return warning(`client-output-buffer-limit of pubsub is ${hard} bytes: gateways are cut off in busy moments`, fix);
  return ok(`client-output-buffer-limit of pubsub is ${Math.round(Number(hard) / 2 ** 20)} MiB`);
}

async function timeOf(client: RedisClient): Promise<number> {
  const [seconds, micros] = (await client.time()) as unknown as [string | number, string | number];
  return Number(seconds) * 1000 + Number(micros) / 1000;
}
