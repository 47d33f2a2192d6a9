/** The relational database as accounts need it: single statements, each atomic by itself. Times are given as ISO-8601 text in UTC. */
export interface Sql {
  query<T>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly T[]; readonly rowCount: number }>;
}

/** @param ms epoch ms */
export function utc(ms: number): string {
  return new Date(ms).toISOString();
}

/** Today in UTC, `YYYY-MM-DD`. */
export function utcDay(ms: number): string {
  return utc(ms).slice(0, 10);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** In the lower-case form in which PostgreSQL writes it. */
export function isUuid(text: unknown): text is string {
  return typeof text === 'string' && UUID.test(text);
}
