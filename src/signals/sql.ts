/** The relational database, as this stage needs it. A rejection means that the statement did nothing, or that nobody knows. */
export interface Sql {
  /** Runs one statement with parameters `$1` … */
  query<T>(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly T[] }>;
}

/** The SQLSTATE of an error of PostgreSQL; '' of any other. */
export function sqlState(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
