/** The relational database, as this stage needs it; single statements, each atomic by itself. */
export interface Sql {
  /**
   * Parameters are `$1` …; BIGINT comes as number, TIMESTAMP (UTC) and TIMESTAMPTZ as Date. Rejects with PostgreSQL's own error,
   * which has its SQLSTATE in `code`, or with another one where nobody knows whether the statement was done.
   */
  query<T>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly T[]; readonly rowCount: number }>;
}

/** The SQLSTATE of an error of PostgreSQL; '' of any other. */
export function sqlState(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : '';
}
