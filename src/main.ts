#!/usr/bin/env node
import { Command } from 'commander';
import {
  backfillCommand,
  createUserCommand,
  EXIT_USER,
  migrateCommand,
  serveDatabaseCommand,
  startCommand,
} from './app/commands.js';
import { packageVersion } from './app/package.js';

/** Named here and not in commander, for which a misspelt command would be an argument of the default one. */
const DEFAULTS: Readonly<Record<string, string>> = { '': 'start', db: 'serve' };

const program = new Command('candlecast')
  .description('Streaming server for market data: exact candles from trades, live over WebSocket, kept in TimescaleDB.')
  .version(packageVersion())
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USER))
  .showHelpAfterError('See candlecast --help.')
  .addHelpText('after', '\nConfiguration comes from the environment; .env.example lists every variable.');

program.command('start').description('run the server (the default)').action(startCommand);

const db = program.command('db').description('the database: serve the embedded one, bring a schema up to date');
db.command('serve')
  .description('serve the embedded database to other local processes (the default)')
  .action(serveDatabaseCommand);
db.command('migrate').description('bring the schema of the configured database up to date').action(migrateCommand);

program
  .command('backfill <venue> <symbol>')
  .description(
    'write the candles of a stretch of the past, from an exchange or from its published files; the server must not run',
  )
  .requiredOption('--from <time>', 'a day (2024-01-05), a time with its zone, or epoch ms')
  .option('--to <time>', 'exclusive; without it, until now')
  .option('--archive <dir>', 'read SYMBOL-trades-….zip, .csv or .csv.gz of Binance instead of asking the exchange')
  .option('--rest <url>', "where the exchange's REST is")
  .option('--as <symbol>', 'store it under this symbol')
  .action(backfillCommand);

const user = program.command('user').description('accounts');
user
  .command('create <email>')
  .description('make an account; its password is read from standard input')
  .option('--role <role>', 'user, publisher or admin', 'user')
  .action(createUserCommand);

const given = process.argv.slice(2);
const implied = DEFAULTS[given.join(' ')];
await program.parseAsync(implied === undefined ? given : [...given, implied], { from: 'user' });
