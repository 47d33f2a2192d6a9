import { Administration, type UserDetails } from '../../accounts/administration.js';
import { ApiKeys } from '../../accounts/api-keys.js';
import { AccountChanges } from '../../accounts/changes.js';
import { normalEmail } from '../../accounts/email.js';
import { AccountError } from '../../accounts/errors.js';
import { bestOf, type Plans, parsePlans } from '../../accounts/plans.js';
import { Sessions } from '../../accounts/sessions.js';
import { isUuid, type Sql } from '../../accounts/sql.js';
import { Subscriptions } from '../../accounts/subscriptions.js';
import { Users } from '../../accounts/users.js';
import { UserError } from '../../kit/errors.js';
import type { AccountChange, Identity } from '../../wire/identity.js';
import { explainDatabaseError } from '../database-error.js';
import { reachDatabase } from '../reach-database.js';
import { openRelational } from '../relational.js';
import { announceThrough } from './announce.js';
import type { Ground } from './run.js';

/** The accounts as commands have them. */
export interface AccountsDesk {
  readonly sql: Sql;
  readonly plans: Plans;
  readonly users: Users;
  readonly keys: ApiKeys;
  readonly sessions: Sessions;
  readonly administration: Administration;
  /** Whoever has a shell here may do everything. */
  readonly actor: Identity;
  /** By address or id. @throws UserError when there is none */
  find(text: string): Promise<UserDetails>;
  /** Tells running nodes of what was changed beside `administration`. */
  announce(change: AccountChange): void;
}

/** Works on accounts; what is refused is the operator's mistake. Running nodes have been told when it resolves. @throws UserError */
export async function withAccounts(ground: Ground, work: (desk: AccountsDesk) => Promise<void>): Promise<undefined> {
  const { config, clock, log } = ground;
  const plans = parsePlans(config.plans);
  const url = await reachDatabase(ground, config.databaseUrl ?? config.timescaleUrl);
  const sql = await openRelational(ground, url);
  const { announcer, told } = announceThrough(ground);
  const users = new Users(sql, clock);
  const changes = new AccountChanges({ sql, clock, log, announcer });
  const subscriptions = new Subscriptions(sql, clock, plans);
  const administration = new Administration({ sql, users, subscriptions, plans, changes, clock, log });
  const find = (text: string): Promise<UserDetails> => findUser(users, administration, text);
  try {
    await work({
      sql,
      plans,
      users,
      keys: new ApiKeys(sql, clock, log),
      sessions: new Sessions(sql, clock),
      administration,
      actor: actorOf(plans),
      find,
      announce: (change) => changes.announce(change),
    });
  } catch (error) {
    throw error instanceof AccountError ? new UserError(error.message) : explainDatabaseError(error, url);
  }
  await told();
}

async function findUser(users: Users, administration: Administration, text: string): Promise<UserDetails> {
  const email = normalEmail(text);
  const id = isUuid(text.toLowerCase())
    ? text.toLowerCase()
    : email === null
      ? null
      : ((await users.credentials({ email }))?.userId ?? null);
  if (id === null && email === null)
    throw new UserError(`"${text}" is neither an email address nor the id of an account`);
  if (id === null || (await users.find(id)) === null)
    throw new UserError(`there is no account "${text}": "candlecast user list" shows them`);
  return administration.get(id);
}

function actorOf(plans: Plans): Identity {
  const rights = { scopes: null, sessionId: null, keyId: null, expiresAt: null, entitlements: bestOf(plans, []) };
  return { userId: 'command line', role: 'admin', ...rights };
}
