import type { Clock } from '../kit/clock.js';
import { UserError } from '../kit/errors.js';
import type { UserRole } from '../wire/identity.js';
import { normalEmail } from './email.js';
import { AccountError } from './errors.js';
import { checkPassword, Passwords } from './passwords.js';
import type { Sql } from './sql.js';
import { NO_PASSWORD, type User, Users } from './users.js';

export interface CreateUser {
  readonly email: string;
  readonly role: UserRole;
  /** null: an account for somebody of an external identity provider, who is known by the address. */
  readonly password: string | null;
}

/** For the command line. @throws UserError */
export async function createUser(sql: Sql, clock: Clock, { email, role, password }: CreateUser): Promise<User> {
  const normal = normalEmail(email);
  if (normal === null) throw new UserError('the email address is none, such as ada@example.com');
  const user = await new Users(sql, clock).create({
    email: normal,
    role,
    passwordHash: await toHash(password, normal),
  });
  if (user === null) throw new UserError(`there is an account with the address ${normal} already`);
  return user;
}

async function toHash(password: string | null, email: string): Promise<string> {
  if (password === null) return NO_PASSWORD;
  try {
    checkPassword(password, email);
  } catch (error) {
    if (error instanceof AccountError) throw new UserError(error.message);
    throw error;
  }
  return new Passwords().hash(password);
}
