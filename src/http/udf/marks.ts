import type { Log } from '../../kit/log.js';
import type { HttpRequest, HttpResponse } from '../../wire/http.js';
import type { ListedSignal } from '../../wire/signals.js';
import { type AuthSource, refuse, whoSends } from '../bearer.js';
import { optional } from '../parameters.js';
import { QueryError } from '../query.js';
import type { SignalSource } from '../signals.js';
import { ok, toUdfError } from './answer.js';
import { readUdf, resolution, seconds, udfSymbol } from './parameters.js';
import type { UdfSymbols } from './symbols.js';

/** Signals looked at in one request, and in one read: the newest ones of the symbol. */
const MAX_SIGNALS = 2_000;
const PAGE = 500;
const MAX_TEXT = 300;
const COLORS = { rule: { name: 'blue', hex: '#2f6fed' }, publisher: { name: 'green', hex: '#0b8f68' } } as const;

export const MARK_PARAMETERS = {
  from: seconds('Of the first mark.'),
  to: seconds('Of the last mark.'),
  resolution: optional(resolution),
  symbol: udfSymbol,
} as const;

/** Who reads signals, and where; null: there are no accounts. */
export interface MarkSource {
  readonly auth: AuthSource;
  readonly signals: Pick<SignalSource, 'list'>;
}

interface Parts {
  readonly symbols: UdfSymbols;
  readonly marks: MarkSource | null;
  readonly log: Log;
}

/** GET /udf/marks?symbol&from&to&resolution: the caller's own signals; of somebody without a token, none. */
export async function marks(parts: Parts, request: HttpRequest): Promise<HttpResponse> {
  const signals = await signalsOf(parts, request);
  return ok({
    id: signals.map(({ id }) => id),
    time: signals.map(({ createdAt }) => toSeconds(createdAt)),
    color: signals.map(({ source }) => COLORS[source].name),
    text: signals.map(describe),
    label: signals.map(({ type }) => type.charAt(0).toUpperCase()),
    labelFontColor: signals.map(() => 'white'),
    minSize: signals.map(() => 14),
  });
}

/** GET /udf/timescale_marks: the same on the time scale. */
export async function timescaleMarks(parts: Parts, request: HttpRequest): Promise<HttpResponse> {
  const signals = await signalsOf(parts, request);
  return ok(
    signals.map((signal) => ({
      id: signal.id,
      time: toSeconds(signal.createdAt),
      color: COLORS[signal.source].hex,
      label: signal.type.charAt(0).toUpperCase(),
      tooltip: [describe(signal)],
    })),
  );
}

/** Ascending. Both ends of the time belong to it. */
async function signalsOf({ symbols, marks, log }: Parts, request: HttpRequest): Promise<readonly ListedSignal[]> {
  const { from, to, symbol: name } = readUdf(request.query, MARK_PARAMETERS);
  if (from > to) throw new QueryError('"from" must not be after "to".');
  const { symbol } = await symbols.find(name);
  if (marks === null || request.header('authorization') === undefined) return [];
  const sender = await whoSends(marks.auth, request, log);
  if ('refusal' in sender) throw toUdfError(sender.refusal);
  const refusal = refuse(sender.identity, null, 'signals:read');
  if (refusal !== null) throw toUdfError(refusal);
  const newest = await readBack(marks.signals, sender.identity.userId, symbol, from);
  return newest.filter(({ createdAt }) => createdAt >= from && createdAt <= to).reverse();
}

/** The newest first, back to `from`. */
async function readBack(
  source: MarkSource['signals'],
  userId: string,
  symbol: string,
  from: number,
): Promise<readonly ListedSignal[]> {
  const found: ListedSignal[] = [];
  let before: number | null = null;
  while (found.length < MAX_SIGNALS) {
    const { signals } = await source.list(userId, { before, limit: PAGE, unread: false, symbol });
    found.push(...signals);
    const last = signals.at(-1);
    if (last === undefined || signals.length < PAGE || last.createdAt < from) break;
    before = last.seq;
  }
  return found;
}

function describe({ type, data }: ListedSignal): string {
  const text = data === null ? type : `${type}: ${JSON.stringify(data)}`;
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
