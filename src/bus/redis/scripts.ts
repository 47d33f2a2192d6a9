import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** What the scripts answer, besides errors of Redis. */
export const OK = 0;
/** What is stored is not what the command joins on to. */
export const MISMATCH = 1;
/** A newer epoch owns the channel. */
export const FENCED = 2;
/** A later command of this publisher has been there already. */
export const OUTDATED = 3;

export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/*
 * In every script that publishes, the first write is one that a full or read-only Redis refuses, and an error ends the
 * script: what was not stored is not published. Numbers beyond 14 digits are compared as the strings they came as.
 */

/**
 * Stores what happened since `prev` and publishes it. KEYS: window, state, open.
 * ARGV: 1 epoch, 2 session, 3 prev, 4 seq, 5 bound, 6 open candle ('' leave, '-' none), 7 publish command, 8 channel,
 * 9 message, 10 count of candles, then open time and record of each, then gaps.
 */
export const PUBLISH = script(`
local state = redis.call('HMGET', KEYS[2], 'epoch', 'session', 'seq', 'count', 'last', 'gaps')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then return ${FENCED} end
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] or state[3] ~= ARGV[3] then return ${MISMATCH} end

local function place(window, count, time, record)
  for at, found in string.gmatch(window, '(){"t":(%d+),') do
    if tonumber(found) == time then
      local finish = string.find(window, '}', at, true)
      return string.sub(window, 1, at - 1) .. record .. string.sub(window, finish + 1), count
    end
    if tonumber(found) > time then
      if at == 2 then return count >= tonumber(ARGV[5]) and window or nil, count end
      return string.sub(window, 1, at - 1) .. record .. ',' .. string.sub(window, at), count + 1
    end
  end
end

if ARGV[3] ~= ARGV[4] then
  local window = redis.call('GET', KEYS[1])
  if not window then return ${MISMATCH} end
  local count, last, gaps = tonumber(state[4]), state[5], state[6] or ''
  local next = 11
  for _ = 1, tonumber(ARGV[10]) do
    local time, record = ARGV[next], ARGV[next + 1]
    next = next + 2
    if count == 0 then
      window, count, last = '[' .. record .. ']', 1, time
    elseif tonumber(time) > tonumber(last) then
      window, count, last = string.sub(window, 1, -2) .. ',' .. record .. ']', count + 1, time
    else
      window, count = place(window, count, tonumber(time), record)
      if not window then return ${MISMATCH} end
    end
  end
  while count > tonumber(ARGV[5]) do
    window, count = '[' .. string.sub(window, string.find(window, '},{', 1, true) + 2), count - 1
  end
  if #ARGV >= next then
    local first = tonumber(string.match(window, '^%[{"t":(%d+)') or 0)
    local kept = {}
    for line in string.gmatch(gaps, '[^\\n]+') do
      local to, seq = string.match(line, '^%[%d+,(%d+),(%d+)')
      if tonumber(to) > first or tonumber(seq) >= first / 60000 * 1048576 then kept[#kept + 1] = line end
    end
    for i = next, #ARGV do kept[#kept + 1] = ARGV[i] end
    gaps = table.concat(kept, '\\n')
  end
  redis.call('SET', KEYS[1], window)
  redis.call('HSET', KEYS[2], 'seq', ARGV[4], 'count', count, 'last', last, 'gaps', gaps)
end
if ARGV[6] == '-' then redis.call('DEL', KEYS[3]) elseif ARGV[6] ~= '' then redis.call('SET', KEYS[3], ARGV[6]) end
redis.call(ARGV[7], ARGV[8], ARGV[9])
return ${OK}
`);

/**
 * Replaces everything. KEYS: window, state, open.
 * ARGV: 1 epoch, 2 session, 3 seq, 4 count, 5 open time of the last closed, 6 gaps, 7 window, 8 open candle or '-',
 * 9 publish command, 10 channel, 11 message.
 */
export const STORE = script(`
local state = redis.call('HMGET', KEYS[2], 'epoch', 'session', 'seq')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then return ${FENCED} end
if state[1] == ARGV[1] then
  if tonumber(state[2] or 0) > tonumber(ARGV[2]) then return ${OUTDATED} end
  if state[2] == ARGV[2] and tonumber(state[3] or 0) > tonumber(ARGV[3]) then return ${OUTDATED} end
end
redis.call('SET', KEYS[1], ARGV[7])
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'session', ARGV[2], 'seq', ARGV[3], 'count', ARGV[4], 'last', ARGV[5], 'gaps', ARGV[6])
if ARGV[8] == '-' then redis.call('DEL', KEYS[3]) else redis.call('SET', KEYS[3], ARGV[8]) end
redis.call(ARGV[9], ARGV[10], ARGV[11])
return ${OK}
`);

/** Begins a session on a channel that stands where the publisher believes. KEYS: window, state, open. ARGV: 1 epoch, 2 session, 3 seq. */
export const CLAIM = script(`
local state = redis.call('HMGET', KEYS[2], 'epoch', 'session', 'seq')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then return ${FENCED} end
if state[1] ~= ARGV[1] or state[3] ~= ARGV[3] then return ${MISMATCH} end
if tonumber(state[2] or 0) > tonumber(ARGV[2]) then return ${OUTDATED} end
if redis.call('EXISTS', KEYS[1]) == 0 then return ${MISMATCH} end
if state[2] ~= ARGV[2] then redis.call('HSET', KEYS[2], 'session', ARGV[2]) end
return ${OK}
`);

/**
 * From now on only this epoch may publish; what is of an epoch before `first` was another database's, and goes.
 * KEYS: window, state. ARGV: 1 epoch, 2 first, 3 '1' to get the window. Returns [code, seq or false, window, gaps, epoch before or false].
 */
export const TAKE = script(`
local state = redis.call('HMGET', KEYS[2], 'epoch', 'gaps', 'seq')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then return {${FENCED}} end
if state[1] and tonumber(state[1]) < tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1], KEYS[2])
  state = {false, false, false}
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'session', '0')
if ARGV[3] ~= '1' or not state[3] then return {${OK}, state[3], '[]', '', false} end
return {${OK}, state[3], redis.call('GET', KEYS[1]) or '[]', state[2] or '', state[1]}
`);

/** Nobody listens any more: the open candle, which nobody keeps up to date now, goes. KEYS: window, state, open. ARGV: 1 epoch. */
export const HUSH = script(`
if redis.call('HGET', KEYS[2], 'epoch') == ARGV[1] then redis.call('DEL', KEYS[3]) end
return ${OK}
`);

/** KEYS: window, state, open. Returns [epoch, seq, gaps, window, open], null where something is missing. */
export const READ = script(`
local state = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'gaps')
return {state[1], state[2], state[3], redis.call('GET', KEYS[1]), redis.call('GET', KEYS[3])}
`);

/** KEYS: statuses. ARGV: 1 channel, then symbol, epoch and JSON of each. What an older epoch says is left out. */
export const STATUS = script(`
local news = {}
for i = 2, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or tonumber(string.match(known, '^%d+') or 0) <= tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
    news[#news + 1] = ARGV[i + 2]
  end
end
if #news > 0 then redis.call('PUBLISH', ARGV[1], '[' .. table.concat(news, ',') .. ']') end
return ${OK}
`);

const WRITERS = [PUBLISH, STORE, CLAIM, TAKE, HUSH, STATUS];

/** Makes Redis know the scripts of a publisher; commands written after it find them. */
export async function loadScripts(redis: Redis): Promise<void> {
  const pipeline = redis.pipeline();
  for (const { text } of WRITERS) pipeline.script('LOAD', text);
  const failed = (await pipeline.exec())?.find(([error]) => error !== null);
  if (failed?.[0]) throw failed[0];
}

/** Runs one script; Redis is given the text when it does not know it. */
export async function runScript(redis: Redis, { text, sha }: Script, keys: string[], args: string[]): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return redis.eval(text, keys.length, ...keys, ...args);
  }
}
