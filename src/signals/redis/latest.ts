import { createHash } from 'node:crypto';
import { LATEST } from '../cache.js';
import type { StoredSignal } from '../signal.js';
import { type ListedSignal, toListed } from '../wire.js';

/** A key that nobody writes goes after this long. */
export const LATEST_SECONDS = 86_400;

/**
 * Puts newer signals before the others, if they join: KEYS latest; ARGV seq before the first of them, their JSON, how many are
 * kept, seconds. Where they do not, the key goes: the next list of REST writes it anew. Elements are parted by a comma and a line
 * feed, which JSON has nowhere else, and begin with their seq: nothing has to be parsed.
 */
export const PREPEND = `
local old = redis.call('GET', KEYS[1])
if not old and ARGV[1] ~= '0' then return end
local list = '[' .. ARGV[2] .. ']'
if old then
  if string.match(old, '^%[{"seq":(%d+),') ~= ARGV[1] then redis.call('DEL', KEYS[1]) return end
  list = '[' .. ARGV[2] .. ',\\n' .. string.sub(old, 2)
end
local at = 0
for _ = 1, tonumber(ARGV[3]) do
  at = string.find(list, '\\n', at + 1, true)
  if not at then break end
end
if at then list = string.sub(list, 1, at - 2) .. ']' end
redis.call('SET', KEYS[1], list, 'EX', ARGV[4])
`;

export const PREPEND_SHA = createHash('sha1').update(PREPEND).digest('hex');

/** Elements of the array, the newest first; `signals` ascending. */
export function encodeElements(signals: readonly StoredSignal[]): string {
  return signals
    .slice(-LATEST)
    .reverse()
    .map((signal) => {
      const { seq, ...rest } = toListed(signal);
      return JSON.stringify({ seq, ...rest });
    })
    .join(',\n');
}

/** @returns null where it is not ours. */
export function decodeLatest(text: string): ListedSignal[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every(isListed) ? value : null;
  } catch {
    return null;
  }
}

function isListed(value: unknown): value is ListedSignal {
  return typeof value === 'object' && value !== null && 'id' in value && 'seq' in value && 'readAt' in value;
}
