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
  examples(
    db
      .command('backup')
      .argument('<directory>', 'to be made')
      .description('copy the embedded database, also while a server runs on it')
      .action(perform(async () => (await import('../backup.js')).backup)),
    ['candlecast db backup /backup/candlecast-monday'],
  );
  examples(
    db
      .command('restore')
      .argument('<directory>', 'a backup')
      .description('fill a DATA_DIR that has no database from a backup')
      .action(perform(async () => (await import('../backup.js')).restore)),
    ['DATA_DIR=/var/lib/candlecast candlecast db restore /backup/candlecast-monday'],
  );
  examples(
    db
      .command('restored')
      .description(
        "tell a server's database that it was restored by its own tools; run it once, before the first start",
      )
      .action(perform(async () => (await import('../backup.js')).restored)),
    ['TIMESCALE_URL=postgres://… REDIS_URL=redis://… candlecast db restored'],
  );
}
