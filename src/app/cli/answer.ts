/** `--json`: of commands that answer with data. */
export interface AnswerOptions {
  readonly json?: boolean;
}

/** The one thing that a command writes to standard output: as a JSON document, or in words. */
export function answer<T>({ json = false }: AnswerOptions, value: T, inWords: (value: T) => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : inWords(value)}\n`);
}

type Cell = string | number | null;

/** Rows under a header, in columns; numbers to the right, null as "-". */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))));
  const width = header.map((name, i) => Math.max(name.length, ...text.map((row) => row[i]?.length ?? 0)));
  const isNumber = header.map((_, i) => rows.some((row) => typeof row[i] === 'number'));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (isNumber[i] ? cell.padStart(width[i] ?? 0) : cell.padEnd(width[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(header), ...text.map(line)].join('\n');
}

/** `2026-01-31 12:00:00` in UTC. */
export function utcText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ');
}

/** `1.2 GB` */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
