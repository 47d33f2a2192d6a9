import type { Command } from 'commander';
import { examples, withJson } from '../help.js';
import { perform } from '../perform.js';

export function databaseGroup(program: Command): void {
  const db = program.command('db').description('the database: serve the embedded one, bring a schema up to date, look');
  examples(
    db
      .command('serve')
      .description('serve the embedded database to other local processes (the default)')
      .action(perform(async () => (await import('../database.js')).serveDatabase)),
    ['DATA_DIR=/var/lib/candlecast candlecast db', 'prints DATABASE_URL=… and runs until it is stopped'],
  );
  examples(
    db
      .command('migrate')
      .description('bring the schema of the configured database up to date')
      .action(perform(async () => (await import('../database.js')).migrate)),
    ['TIMESCALE_URL=postgres://candlecast@db/candles candlecast db migrate', 'before the nodes of a new version start'],
  );
  examples(
    withJson(db.command('status').description('show versions, sizes, candles of each symbol, aggregates, jobs, spool'))
      .option('--limit <count>', 'at most so many symbols', '50')
      .action(perform(async () => (await import('../status.js')).showStatus)),
    ['candlecast db status', 'beside a running server as well'],
    ["candlecast db status --json | jq '.stored.shown[] | select(.gaps > 0)'"],
  );
}
