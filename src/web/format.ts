/** Texts for people. Prices stay decimal strings; a number is made only where a rounded figure is shown. */

const MINUS = '\u2212';
const MIN_DECIMALS = 2;
const MAX_DECIMALS = 8;
const TIME = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', hour: '2-digit', minute: '2-digit' });
const CLOCK = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const DATE = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short', year: 'numeric' });
const VOLUME = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 4 });
const COUNT = new Intl.NumberFormat('en-US');

/** Digits after the point that carry something: "1.25000000" has two. */
function significantDecimals(text: string): number {
  const point = text.indexOf('.');
  if (point < 0) return 0;
  let end = text.length;
  while (end > point + 1 && text[end - 1] === '0') end--;
  return end - point - 1;
}

/** Decimals with which a market is shown: as many as any of its prices needs, between 2 and 8. */
export function pricePrecision(prices: Iterable<string>): number {
  let decimals = MIN_DECIMALS;
  for (const price of prices) decimals = Math.max(decimals, significantDecimals(price));
  return Math.min(decimals, MAX_DECIMALS);
}

/** "64231.12000000" with precision 2 is "64,231.12". Works on the digits, so nothing is rounded through a float. */
export function formatPrice(price: string, precision: number): string {
  const [whole = '0', fraction = ''] = price.split('.');
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${fraction.padEnd(precision, '0').slice(0, precision)}`;
}

export function formatVolume(volume: string): string {
  return VOLUME.format(Number(volume));
}

export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** Relative change from `before` to `after`: "+1.24%". An empty text where `before` is zero. */
export function formatChange(before: string, after: string): string {
  const base = Number(before);
  if (base === 0) return '';
  const percent = ((Number(after) - base) / base) * 100;
  const text = `${Math.abs(percent).toFixed(2)}%`;
  if (text === '0.00%') return text;
  return `${percent < 0 ? MINUS : '+'}${text}`;
}

export type Direction = 'up' | 'down' | 'flat';

export function direction(before: string, after: string): Direction {
  const difference = Number(after) - Number(before);
  if (difference === 0) return 'flat';
  return difference > 0 ? 'up' : 'down';
}

/** "12:03", UTC. */
export function formatTime(timeMs: number): string {
  return TIME.format(timeMs);
}

/** "12:03:44", UTC. */
export function formatClock(timeMs: number): string {
  return CLOCK.format(timeMs);
}

/** "22 Nov 2026", with the time unless `daily`. UTC. */
export function formatDateTime(timeMs: number, daily: boolean): string {
  return daily ? DATE.format(timeMs) : `${DATE.format(timeMs)} ${TIME.format(timeMs)}`;
}

/** A stretch of time: "12:03–12:09", with dates where it crosses midnight. */
export function formatSpan(fromMs: number, toMs: number): string {
  if (DATE.format(fromMs) === DATE.format(toMs)) return `${formatTime(fromMs)}–${formatTime(toMs)}`;
  return `${formatDateTime(fromMs, false)} – ${formatDateTime(toMs, false)}`;
}

/** Time left: "0:07", "12:30", "3:12:30", "2d 14h". */
export function formatCountdown(leftMs: number): string {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  if (days > 0) return `${days}d ${hours}h`;
  const minutes = Math.floor((seconds % 3600) / 60);
  const tail = String(seconds % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

/** How long something lasts already: "now", "12 s", "5 min", "3 h", "4 days". */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(0, Math.round(ageMs / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
