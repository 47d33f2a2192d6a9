import { vi } from 'vitest';
import { buildProgram, withImplied } from '../../src/app/cli/program.js';
import type { Environment } from '../support/server.js';

/**
 * Runs the program in this process, to its end: what a process of its own costs is for the tests that are about processes.
 * Nothing is logged unless `env` says so.
 */
export async function here(args: readonly string[], env: Environment): Promise<{ code: number | null; said: string }> {
  const before = process.env;
  const done = { code: null as number | null, said: '' };
  const hear = (chunk: string | Uint8Array): boolean => {
    // A process says nothing after its end.
    if (done.code === null) done.said += String(chunk);
    return true;
  };
  const spies = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')].map((spy) =>
    spy.mockImplementation(hear),
  );
  const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
    done.code ??= Number(code ?? 0);
    throw new Error('the program ends here');
  });
  process.env = { PATH: before.PATH, PORT: '0', LOG_LEVEL: 'silent', ...env };
  await buildProgram()
    .parseAsync(withImplied(args), { from: 'user' })
    .catch(() => {});
  process.env = before;
  for (const spy of [...spies, exit]) spy.mockRestore();
  return done;
}
