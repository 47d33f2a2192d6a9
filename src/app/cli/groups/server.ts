import type { Command } from 'commander';
import { perform } from '../perform.js';

export function serverGroup(program: Command): void {
  program
    .command('start')
    .description('run the server (the default)')
    .action(perform(async () => (await import('../start.js')).start));
}
