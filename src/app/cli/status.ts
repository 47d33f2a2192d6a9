import { type DatabaseStatus, databaseStatus, type StoredStatus } from '../status.js';
import { type AnswerOptions, answer, bytesText, table, utcText } from './answer.js';
import { readCount } from './read.js';
import type { Ground } from './run.js';

const MAX_LISTED = 10_000;

/** `candlecast db status` */
export async function showStatus(
  ground: Ground,
  options: AnswerOptions & { readonly limit: string },
): Promise<undefined> {
  const limit = readCount('--limit', options.limit, MAX_LISTED);
  answer(options, await databaseStatus(ground, limit), inWords);
}

function inWords({ embedded, server, schemas, spool, stored }: DatabaseStatus): string {
  const engine = `PostgreSQL ${server.version}${embedded ? ' (embedded)' : ''}, TimescaleDB ${server.timescaledb ?? 'not installed'}`;
  const versions = schemas.map(({ set, version, known, state }) => [set, version, known, state]);
  const behind = spool.bytesBehind === 0 ? 'nothing waits' : `${bytesText(spool.bytesBehind)} wait for the database`;
  return [
    `${engine}, ${bytesText(server.databaseBytes)}`,
    table(['schema', 'version', 'known', 'state'], versions),
    `Spool: ${bytesText(spool.bytes)} of ${bytesText(spool.maxBytes)}, ${behind}`,
    ...(stored === null
      ? ['The schema of the candles is missing or old: "candlecast db migrate" brings it up to date.']
      : storedInWords(stored)),
  ].join('\n\n');
}

function storedInWords({ candleBytes, symbols, shown, aggregates, jobs, writers }: StoredStatus): string[] {
  const time = (at: number | null): string | null => (at === null ? null : utcText(at));
  const rows = shown.map((s) => [s.symbol, s.source, s.minutes, time(s.oldest), time(s.newest), s.gaps]);
  const more = symbols > shown.length ? `\n${symbols - shown.length} more: --limit shows them.` : '';
  return [
    `Candles: ${symbols} symbols, ${bytesText(candleBytes)}`,
    table(['symbol', 'source', 'minutes', 'oldest (UTC)', 'newest (UTC)', 'gaps'], rows) + more,
    table(
      ['aggregate', 'materialised to (UTC)'],
      aggregates.map((a) => [a.interval, time(a.materialisedTo)]),
    ),
    table(
      ['job', 'of', 'every', 'last', 'last success (UTC)', 'failures'],
      jobs.map((j) => [j.job, j.target, `${j.everyMs / 60_000} min`, j.lastStatus, time(j.lastSuccess), j.failures]),
    ),
    table(
      ['partition', 'writer', 'epoch', 'since (UTC)'],
      writers.map((w) => [w.partition, w.node, w.epoch, utcText(w.takenAt)]),
    ),
  ];
}
