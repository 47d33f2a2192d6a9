import { createInterface } from 'node:readline';
import { createUser as create } from '../../accounts/create-user.js';
import { UserError } from '../../kit/errors.js';
import type { UserRole } from '../../wire/identity.js';
import { openRelational } from '../relational.js';
import { openUntilEnd } from './database.js';
import type { Ground } from './run.js';

/** `candlecast user create`: the first line of standard input is the password. */
export async function createUser(
  ground: Ground,
  email: string,
  options: { readonly role: string },
): Promise<undefined> {
  const { config, clock } = ground;
  const role = toRole(options.role);
  const database = await openUntilEnd(ground, config.databaseUrl ?? config.timescaleUrl);
  const sql = await openRelational(ground, database.url);
  const user = await create(sql, clock, { email, role, password: await readPassword() });
  process.stdout.write(`${user.email} is ${user.role}, id ${user.id}\n`);
}

function toRole(text: string): UserRole {
  const roles: readonly UserRole[] = ['user', 'publisher', 'admin'];
  const role = roles.find((name) => name === text);
  if (role === undefined) throw new UserError(`--role must be one of ${roles.join(', ')}`);
  return role;
}

async function readPassword(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('Password: ');
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new UserError('the password is missing: give it on standard input');
}
