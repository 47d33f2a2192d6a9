import type { Log } from '../../kit/log.js';
import type { HttpRequest, HttpResponse } from '../../wire/http.js';
import type { ListedSignal } from '../../wire/signals.js';
import { type AuthSource, refuse, whoSends } from '../bearer.js';
import { QueryError } from '../query.js';
import type { SignalSource } from '../signals.js';
import { ok, toUdfError } from './answer.js';
import { readResolution, readSeconds, readUdf } from './parameters.js';
import type { UdfSymbols } from './symbols.js';

/** Signals looked at in one request, and in one read: the newest ones of the symbol. */
const MAX_SIGNALS = 2_000;
const PAGE = 500;
const MAX_TEXT = 300;
const COLORS = { rule: { name: 'blue', hex: '#2f6fed' }, publisher: { name: 'green', hex: '#0b8f68' } } as const;

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
    time: signals.map(({ createdAt }) => seconds(createdAt)),
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
      time: seconds(signal.createdAt),
      color: COLORS[signal.source].hex,
      label: signal.type.charAt(0).toUpperCase(),
      tooltip: [describe(signal)],
    })),
  );
}

/** Ascending. Both ends of the time belong to it. */
async function signalsOf({ symbols, marks, log }: Parts, request: HttpRequest): Promise<readonly ListedSignal[]> {
  const given = readUdf(request.query);
  const [from, to] = [readSeconds('from', given.get('from')), readSeconds('to', given.get('to'))];
  if (from > to) throw new QueryError('"from" must not be after "to".');
  if (given.has('resolution')) readResolution(given.get('resolution'));
  const { symbol } = await symbols.find(given.get('symbol'));
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

function seconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
