import { UserError } from '../../kit/errors.js';

const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d))?$/i;
const TIME_RULE = 'must be a day (2024-01-05), a time with its zone (2024-01-05T10:00:00Z) or epoch ms';

/** A time of the command line as epoch ms. @throws UserError */
export function readTime(option: string, text: string): number {
  if (/^\d{12,15}$/.test(text)) return Number(text);
  const time = ISO.test(text) ? Date.parse(text) : Number.NaN;
  // Date.parse rolls 30 February over into March.
  if (Number.isNaN(time) || !isCalendarDay(text)) throw new UserError(`${option} "${text}" ${TIME_RULE}`);
  return time;
}

/** `YYYY-MM-DD`. @throws UserError */
export function readDay(option: string, text: string): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || !isCalendarDay(text))
    throw new UserError(`${option} "${text}" must be a day, such as 2026-01-31`);
  return text;
}

/** @throws UserError */
export function readCount(option: string, text: string, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > max) throw new UserError(`${option} "${text}" must be an integer from 1 to ${max}`);
  return value;
}

/** @throws UserError */
export function readOneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  if (found === undefined) throw new UserError(`${option} "${text}" must be one of ${known.join(', ')}`);
  return found;
}

function isCalendarDay(text: string): boolean {
  const [year, month, day] = text.slice(0, 10).split('-').map(Number);
  const date = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day));
  return date.getUTCMonth() + 1 === month && date.getUTCDate() === day;
}
