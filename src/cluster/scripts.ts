import { createHash } from 'node:crypto';

/** A connection to Redis, single or cluster, as far as scripts need it. */
export interface ScriptClient {
  evalsha(sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

export interface Script {
  readonly text: string;
  readonly sha: string;
}

/** Runs a script by its hash; Redis is given the text when it does not know it (it was restarted). */
export async function runScript(
  redis: ScriptClient,
  { text, sha }: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return redis.eval(text, keys.length, ...keys, ...args);
  }
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Epoch ms by Redis' own clock, the only one that decides about leases. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * One node's sign of life. The node's expiry is set before its leases', so that nobody sees its partitions free and the
 * node still alive. `since` is when Redis began to hold what it holds without a break: it is gone when Redis was emptied,
 * restored from a file or frozen for longer than a lease. A lease that is missing is made anew for the node that had it,
 * unless somebody else had it in between.
 *
 * KEYS: nodes, since, last holders, one lease per partition.
 * ARGV: node id, its info as JSON, lease ms, '1' or '0' per partition: held by the node.
 * Returns seconds, microseconds, ms since `since`, [id, info, …] of live nodes, holder per partition ('' = free).
 */
export const BEAT = script(`${NOW}
local id, ttl = ARGV[1], tonumber(ARGV[3])
local since = redis.call('GET', KEYS[2]) or string.format('%.0f', now)
redis.call('SET', KEYS[2], since, 'PX', ttl)
redis.call('HSET', KEYS[1], id, string.format('%.0f ', now + ttl) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ttl)
local holders = {}
for i = 4, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if string.sub(ARGV[4], i - 3, i - 3) == '1' then
    if not holder then
      local last = redis.call('HGET', KEYS[3], KEYS[i])
      if not last or last == id then
        holder = id
        redis.call('HSET', KEYS[3], KEYS[i], id)
      end
    end
    if holder == id then redis.call('SET', KEYS[i], id, 'PX', ttl) end
  end
  holders[i - 3] = holder or ''
end
redis.call('PEXPIRE', KEYS[3], 86400000)
local nodes = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local expires, info = string.match(all[i + 1], '^(%d+) (.*)$')
  if expires and tonumber(expires) > now then
    nodes[#nodes + 1] = all[i]
    nodes[#nodes + 1] = info
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return { time[1], time[2], now - since, nodes, holders }
`);

/**
 * Takes a free lease. Refused ('') until Redis has been there long enough for every living owner to have come back first.
 * KEYS: since, last holders, lease. ARGV: node id, lease ms, how long that is. Returns who holds it now ('' = nobody).
 */
export const ACQUIRE = script(`${NOW}
local since = redis.call('GET', KEYS[1])
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[1] then return holder end
if not since or now - since < tonumber(ARGV[3]) then return '' end
redis.call('SET', KEYS[3], ARGV[1], 'PX', tonumber(ARGV[2]))
redis.call('HSET', KEYS[2], KEYS[3], ARGV[1])
return ARGV[1]
`);

/** KEYS: lease. ARGV: node id. */
export const RELEASE = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`);

/** KEYS: nodes. ARGV: node id. */
export const LEAVE = script(`return redis.call('HDEL', KEYS[1], ARGV[1])`);

/** KEYS: identity. ARGV: ours. Returns whose it is. */
export const IDENTIFY = script(`
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
`);
