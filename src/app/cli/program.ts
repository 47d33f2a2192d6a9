import { Command } from 'commander';
import { packageVersion } from '../package.js';
import { EXIT_USER } from './exit.js';
import { analyticsGroup } from './groups/analytics.js';
import { backfillGroup } from './groups/backfill.js';
import { databaseGroup } from './groups/database.js';
import { doctorGroup } from './groups/doctor.js';
import { planGroup } from './groups/plan.js';
import { serverGroup } from './groups/server.js';
import { tokenGroup } from './groups/token.js';
import { transferGroup } from './groups/transfer.js';
import { userGroup } from './groups/user.js';

/** In the order of the help. */
const GROUPS: readonly ((program: Command) => void)[] = [
  serverGroup,
  databaseGroup,
  backfillGroup,
  analyticsGroup,
  transferGroup,
  userGroup,
  tokenGroup,
  planGroup,
  doctorGroup,
];

/** Named here and not in commander, for which a misspelt command would be an argument of the default one. */
const IMPLIED: Readonly<Record<string, string>> = { '': 'start', db: 'serve' };

const EXIT_CODES = 'Exit codes: 0 done, 1 something failed, 2 something given was wrong.';

/** The tree of commands, without what they do: that is loaded with the command that runs. */
export function buildProgram(): Command {
  const program = new Command('candlecast')
    .description(
      'Streaming server for market data: exact candles from trades, live over WebSocket, kept in TimescaleDB.',
    )
    .version(packageVersion())
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USER))
    .addHelpText(
      'after',
      `\nConfiguration comes from the environment; .env.example lists every variable.\n${EXIT_CODES}`,
    );
  for (const group of GROUPS) group(program);
  pointToHelp(program, 'candlecast');
  return program;
}

/** Who got something wrong reads about the command that they gave. */
function pointToHelp(command: Command, path: string): void {
  command.showHelpAfterError(`See ${path} --help.`);
  for (const child of command.commands) pointToHelp(child, `${path} ${child.name()}`);
}

/** @param given the arguments without program and script. */
export function withImplied(given: readonly string[]): string[] {
  const implied = IMPLIED[given.join(' ')];
  return implied === undefined ? [...given] : [...given, implied];
}
