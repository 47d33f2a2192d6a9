#!/usr/bin/env node
import { Command } from 'commander';
import { migrateCommand, serveDatabaseCommand, startCommand } from './app/commands.js';
import { packageVersion } from './app/package.js';

const program = new Command('candlecast')
  .description('Streaming server for market data: exact candles from trades, live over WebSocket, kept in TimescaleDB.')
  .version(packageVersion())
  .addHelpText('after', '\nConfiguration comes from the environment; .env.example lists every variable.');

program.command('start', { isDefault: true }).description('run the server (the default)').action(startCommand);

const db = program.command('db').description('serve the embedded database to other local processes');
db.action(serveDatabaseCommand);
db.command('serve', { isDefault: true }).description('the same').action(serveDatabaseCommand);
db.command('migrate').description('bring the schema of the configured database up to date').action(migrateCommand);

await program.parseAsync();
