import type { Command } from 'commander';
import { perform } from '../perform.js';

export function userGroup(program: Command): void {
  const user = program.command('user').description('accounts');
  user
    .command('create <email>')
    .description('make an account; its password is read from standard input')
    .option('--role <role>', 'user, publisher or admin', 'user')
    .action(perform(async () => (await import('../user.js')).createUser));
}
