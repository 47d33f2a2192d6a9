import type { Trade } from '../../market/trade.js';
import { echo, type Fault, fault, readTrade } from '../validate.js';
import { MAX_LINE_LENGTH } from './lines.js';

export const HEADER = 'trade_id,time_ms,price,quantity,taker_side';
const FIELDS = 5;

/** @returns null when the line is the header, else a sentence that says what is wrong. */
export function checkHeader(line: string | undefined): string | null {
  if (line === undefined) return `it is empty; its first line must be "${HEADER}"`;
  if (line.trim().toLowerCase().replaceAll(' ', '') === HEADER) return null;
  return `its first line is ${echo(line)}; it must be "${HEADER}"`;
}

/** Reads one line of a trade file. `latestMs`: the latest event time that is believed. */
export function readLine(symbol: string, line: string, latestMs: number): Trade | Fault {
  if (line.length > MAX_LINE_LENGTH) return fault('bad_shape', `the line is longer than ${MAX_LINE_LENGTH} characters`);
  const a = line.indexOf(',');
  const b = line.indexOf(',', a + 1);
  const c = line.indexOf(',', b + 1);
  const d = line.indexOf(',', c + 1);
  if (a < 0 || b <= a || c <= b || d <= c || line.indexOf(',', d + 1) >= 0) return badShape(line);
  return readTrade(
    symbol,
    line.slice(0, a),
    line.slice(a + 1, b),
    line.slice(b + 1, c),
    line.slice(c + 1, d),
    line.slice(d + 1),
    latestMs,
  );
}

function badShape(line: string): Fault {
  const count = line.split(',').length;
  return fault('bad_shape', `${echo(line)} has ${count} field(s); ${FIELDS} are right: ${HEADER}`);
}
