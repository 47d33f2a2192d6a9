import type { Command } from 'commander';

/** Examples below the help of a command: what to type, and what it does where that is not plain. */
export function examples(command: Command, ...lines: readonly (readonly [type: string, does?: string])[]): Command {
  const text = lines.map(([type, does]) => (does === undefined ? `  ${type}` : `  ${type}\n      ${does}`));
  return command.addHelpText('after', `\nExamples:\n${text.join('\n')}`);
}

export function withJson(command: Command): Command {
  return command.option('--json', 'answer with one JSON document');
}
