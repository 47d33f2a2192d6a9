import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { buildProgram } from '../../../src/app/cli/program.js';
import { ROOT } from '../../project/files.js';

const INTRO = `# The command line

Every command, as \`candlecast COMMAND --help\` prints it. \`npm test -- test/app/cli/help.test.ts -u\` writes this page.
From a checkout, without an installation, \`npm run candlecast -- COMMAND\` is the same.

- **Configuration** comes from the environment, as for the server ([README](../README.md#configuration)): run a command with the environment of the server that it is about.
- **Exit codes**: 0 done, 1 something failed, 2 something given was wrong: an argument, a file, the configuration, a database that cannot be reached. \`doctor\` ends with 0, 1 or 2 for all well, warnings, errors.
- **Output**: what a command answers is on standard output, and with \`--json\` one JSON document; log and progress are on standard error. A password is asked for on a terminal, and is otherwise the first line of standard input.
- **Beside a running server**: \`db status\`, \`export\`, \`analytics\`, \`user\`, \`token\`, \`plan\` and \`doctor\` work, also with its embedded database (as the same user on the same machine). \`backfill\` and \`import\` refuse: they write candles, which has one writer at a time.
- **What is cut short** goes on where it was when it is run again with the same file or stretch.

CSV files of candles have a header that names their columns, in any order: \`open_time_ms\` (the start of a minute, epoch ms), \`open\`, \`high\`, \`low\`, \`close\` and \`volume\` are needed; \`symbol\`, \`interval\` and what else \`export candles\` writes may be left out. Lines ascend by time. Minutes that are missing between lines are announced as gaps. Files of trades have the header \`trade_id,time_ms,price,quantity,taker_side\` and must have every trade of their minutes. Trades themselves are not stored, so there is no export of them.
`;

const program = buildProgram();

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  const parts: string[] = [];
  command.configureOutput({ writeOut: (part) => parts.push(part), getOutHelpWidth: () => 120 });
  command.outputHelp();
  return parts.join('').trimEnd();
}

test('docs/cli.md is what the commands say of themselves', async () => {
  const sections = leaves(program).map(
    (command) => `## ${pathOf(command)}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`,
  );
  await expect(`${INTRO}\n${sections.join('\n')}`).toMatchFileSnapshot(join(ROOT, 'docs', 'cli.md'));
});

test('every command has examples, of itself', () => {
  const without = leaves(program).filter((command) => {
    const [, examples = ''] = helpOf(command).split('Examples:');
    const own = [
      pathOf(command),
      ...pathOf(command)
        .split(/ (?=start|serve)/)
        .slice(0, 1),
    ];
    return command.description() === '' || !own.some((form) => examples.includes(form));
  });
  expect(without.map(pathOf)).toEqual([]);
});
