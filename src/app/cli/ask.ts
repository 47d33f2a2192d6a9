import { createInterface } from 'node:readline';
import { UserError } from '../../kit/errors.js';

/** Typed unseen on a terminal, else the first line of standard input. @throws UserError when there is none */
export async function askPassword(): Promise<string> {
  if (!process.stdin.isTTY) {
    for await (const line of createInterface({ input: process.stdin })) return line;
    throw new UserError('the password is missing: give it on standard input');
  }
  const { isCancel, password } = await import('@clack/prompts');
  const typed = await password({ message: 'Password', output: process.stderr });
  if (isCancel(typed)) throw new UserError('cancelled: nothing was changed');
  return typed ?? '';
}

/** Goes on when `yes` was given, or somebody at a terminal agrees. @throws UserError */
export async function requireYes(yes: boolean | undefined, question: string): Promise<void> {
  if (yes === true) return;
  if (!process.stdin.isTTY) throw new UserError(`${question} Say so with --yes`);
  const { confirm } = await import('@clack/prompts');
  if ((await confirm({ message: question, initialValue: false, output: process.stderr })) !== true)
    throw new UserError('cancelled: nothing was changed');
}
