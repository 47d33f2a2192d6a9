/** A cell; null is an empty one. */
export type Cell = string | number | null;

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/**
 * Symbols, dates and numbers (as JSON has them) need no quotes.
 * @see https://www.rfc-editor.org/rfc/rfc4180
 */
export function toCsv({ columns, rows }: Table): string {
  return [columns, ...rows].map((row) => `${row.map((cell) => cell ?? '').join(',')}\r\n`).join('');
}

/** A column for each of the names. */
export function tableOf<K extends string>(columns: readonly K[], rows: readonly Readonly<Record<K, Cell>>[]): Table {
  return { columns, rows: rows.map((row) => columns.map((column) => row[column])) };
}

/** Whether the header `Accept` names it, and JSON not before it. */
export function prefersCsv(accept: string | undefined): boolean {
  const weights = new Map((accept ?? '').split(',').map(weightOf));
  const csv = weights.get('text/csv') ?? 0;
  return csv > 0 && csv >= (weights.get('application/json') ?? 0);
}

function weightOf(item: string): [string, number] {
  const [type = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith('q='));
  return [type, q === undefined ? 1 : Number(q.slice(2)) || 0];
}
