import type { Session } from 'chdb';
import { UserError } from '../../kit/errors.js';

/** One request of ClickHouse's HTTP interface. */
export interface Statement {
  /** Without the rows of an INSERT. */
  readonly sql: string;
  readonly rows: string;
  readonly settings: ReadonlyMap<string, string>;
  /** Values of `{name:Type}`, escaped as in TabSeparated. */
  readonly params: ReadonlyMap<string, string>;
}

/** What runs in this process; every answer is whole before it is given. */
export interface ClickHouseEngine {
  /** @throws an Error with ClickHouse's own message. */
  run(statement: Statement): Promise<Uint8Array>;
  close(): void;
}

const DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['max_execution_time', '60'],
  ['max_memory_usage', '1073741824'],
]);
/** Of the HTTP layer, which here is ours. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(['wait_end_of_query', 'enable_http_compression']);
const NAME = /^[A-Za-z_]\w*$/;

/**
 * Opens ClickHouse in this process over `directory`, which is created where it does not exist.
 * @throws UserError when the optional package is not installed.
 */
export async function openClickHouse(directory: string): Promise<ClickHouseEngine> {
  const chdb = await load();
  // One that stays open keeps the engine; each statement has a session of its own, and so settings of its own.
  const keeper = new chdb.Session(directory);
  return {
    async run(statement) {
      const session = new chdb.Session(directory);
      try {
        return await runIn(session, statement);
      } finally {
        session.close();
      }
    },
    close: () => keeper.close(),
  };
}

async function runIn(session: Session, { sql, rows, settings, params }: Statement): Promise<Uint8Array> {
  const set = [
    ...[...DEFAULTS, ...settings].filter(([name]) => !NOT_SETTINGS.has(name) && name !== 'readonly'),
    ...[...params].map(([name, value]) => [`param_${name}`, value] as const),
    // Last: nothing can be set after it.
    ...[...settings].filter(([name]) => name === 'readonly'),
  ];
  await session.queryAsync(`SET ${set.map(([name, value]) => `${checked(name)} = ${literal(value)}`).join(', ')}`);
  const result = await session.queryAsync(rows === '' ? sql : `${sql}\n${rows}`, { format: 'TabSeparated' });
  return result.bytes();
}

function checked(name: string): string {
  if (!NAME.test(name)) throw new Error(`Code: 115. DB::Exception: ${name} is no setting. (UNKNOWN_SETTING)`);
  return name;
}

function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

async function load(): Promise<typeof import('chdb')> {
  try {
    return await import('chdb');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(
      `the embedded ClickHouse cannot be loaded (${reason}): install it with "npm install chdb" (Linux with glibc or macOS), or set CLICKHOUSE_URL to a ClickHouse server`,
      { cause },
    );
  }
}
