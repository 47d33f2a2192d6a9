import type { Command } from 'commander';
import { perform } from '../perform.js';

export function databaseGroup(program: Command): void {
  const db = program.command('db').description('the database: serve the embedded one, bring a schema up to date');
  db.command('serve')
    .description('serve the embedded database to other local processes (the default)')
    .action(perform(async () => (await import('../database.js')).serveDatabase));
  db.command('migrate')
    .description('bring the schema of the configured database up to date')
    .action(perform(async () => (await import('../database.js')).migrate));
}
