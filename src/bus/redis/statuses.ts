import { FEED_STATES, type SymbolStatus } from '../../market/event.js';
import { isCountOrNull, isRecord, parse } from './records.js';

const STATES: readonly unknown[] = FEED_STATES;

/** @returns null where it is not a status. */
export function decodeStatus(value: unknown): SymbolStatus | null {
  if (!isRecord(value)) return null;
  const { symbol, source, synthetic, state, since, lastTradeTime } = value;
  if (typeof symbol !== 'string' || typeof source !== 'string' || typeof synthetic !== 'boolean') return null;
  if (!STATES.includes(state) || !isCountOrNull(since) || since === null || !isCountOrNull(lastTradeTime)) return null;
  return { symbol, source, synthetic, state: state as SymbolStatus['state'], since, lastTradeTime };
}

/** A message on the status channel: a JSON array. @returns null where it is not one. */
export function decodeStatusMessage(text: string): SymbolStatus[] | null {
  const list = parse(text);
  if (!Array.isArray(list) || list.length === 0) return null;
  const statuses = list.map(decodeStatus).filter((status) => status !== null);
  return statuses.length === list.length ? statuses : null;
}

/** What the hash of statuses holds for a symbol: the writer's epoch, a blank, JSON. */
export function decodeStored(text: string): SymbolStatus | null {
  return decodeStatus(parse(text.slice(text.indexOf(' ') + 1)));
}
