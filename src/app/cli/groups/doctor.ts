import type { Command } from 'commander';
import type { AnswerOptions } from '../answer.js';
import { examples, withJson } from '../help.js';

export function doctorGroup(program: Command): void {
  examples(
    withJson(
      program
        .command('doctor')
        .description('check configuration, databases, clocks, limits and kernel settings, and say how to fix each'),
    )
      .addHelpText('after', '\nExit codes: 0 all is well, 1 there are warnings, 2 there are errors.')
      .action(async (options: AnswerOptions) => (await import('../doctor.js')).doctor(options)),
    ['candlecast doctor', 'with the environment of the server, before or beside it'],
    ['candlecast doctor --json | jq -r \'.findings[] | select(.level != "ok") | .fix\''],
  );
}
