/** Reading of query strings: every function answers a value, or a sentence that says what was wrong and what would be right. */

export class QueryError extends Error {
  override readonly name = 'QueryError';
}

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})|T[\d:.]+)?$/;
const MAX_DATE_MS = 8.64e15;
/** No market data lies between these as epoch milliseconds (1970-01-12 to 1973), but every recent time in seconds does. */
const SECONDS_FROM = 1e9;
const SECONDS_TO = 1e11;

/** The parameters by name. @throws QueryError for unknown and for repeated ones. */
export function readParameters(query: URLSearchParams, known: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of query) {
    if (!known.includes(name))
      throw new QueryError(`Unknown parameter "${printable(name)}"; known: ${known.join(', ')}.`);
    if (values.has(name)) throw new QueryError(`Parameter "${name}" is given more than once; give it once.`);
    values.set(name, value);
  }
  return values;
}

/** Epoch milliseconds or ISO-8601 with a zone. @throws QueryError */
export function readTime(name: string, text: string): number {
  if (/^-?\d+$/.test(text)) return readEpoch(name, text);
  const iso = text.replace(/ (\d{2}:?\d{2})$/, '+$1');
  const match = ISO.exec(iso);
  if (match !== null && iso.includes('T') && match[7] === undefined)
    throw new QueryError(`"${name}" has no time zone: write "${iso}Z" for UTC.`);
  const time = match === null ? Number.NaN : Date.parse(iso);
  if (Number.isNaN(time) || !isCalendarDay(match))
    throw new QueryError(
      `"${name}" must be epoch milliseconds, such as 1570752000000, or ISO-8601, such as 2019-10-11T00:00:00Z; it is "${printable(text)}".`,
    );
  return time;
}

/** @throws QueryError */
export function readInteger(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new QueryError(`"${name}" must be an integer from ${min} to ${max}; it is "${printable(text)}".`);
  return value;
}

/** A short rendering of what the caller sent. */
export function printable(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > 60 ? `${clean.slice(0, 60)}…` : clean;
}

function readEpoch(name: string, text: string): number {
  const value = Number(text);
  if (Math.abs(value) >= SECONDS_FROM && Math.abs(value) < SECONDS_TO)
    throw new QueryError(`"${name}" looks like epoch seconds; give milliseconds: ${value * 1000}.`);
  if (Math.abs(value) > MAX_DATE_MS) throw new QueryError(`"${name}" is no date: it must be epoch milliseconds.`);
  return value;
}

/** Date.parse rolls 30 February over into March. */
function isCalendarDay(match: RegExpExecArray | null): boolean {
  if (match === null) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
