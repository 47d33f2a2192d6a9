import type { Command } from 'commander';
import { examples, withJson } from '../help.js';
import { perform } from '../perform.js';

const WHO = 'email address or id';

export function userGroup(program: Command): void {
  const user = program.command('user').description('accounts; a running server notices each change within seconds');
  const add = (form: string, what: string, who = true): Command => {
    const command = withJson(user.command(form).description(what));
    return who ? command.argument('<user>', WHO) : command;
  };
  examples(
    add('create', 'make an account; its password is read from standard input', false)
      .argument('<email>', 'its address')
      .option('--role <role>', 'user, publisher or admin', 'user')
      .option('--no-password', 'for somebody of an identity provider, known by the address')
      .action(perform(async () => (await import('../user.js')).createUser)),
    ['candlecast user create ada@example.com --role admin', 'asks for the password'],
    ['pass show candlecast/ada | candlecast user create ada@example.com'],
  );
  examples(
    add('list', 'list accounts', false)
      .option('--search <text>', 'only those with this in the address')
      .option('--limit <count>', 'at most so many', '100')
      .action(perform(async () => (await import('../user.js')).listUsers)),
    ['candlecast user list --search @example.com'],
    ["candlecast user list --limit 10000 --json | jq -r '.users[].email'"],
  );
  examples(
    add('show', 'show an account: role, plan, subscriptions, keys, sessions').action(
      perform(async () => (await import('../user.js')).showUser),
    ),
    ['candlecast user show ada@example.com --json'],
  );
  examples(
    add('role', 'change the role of an account')
      .argument('<role>', 'user, publisher or admin')
      .action(perform(async () => (await import('../user.js')).setRole)),
    ['candlecast user role ada@example.com publisher'],
  );
  examples(
    add('password', 'set a new password, read from standard input; all sessions end').action(
      perform(async () => (await import('../user.js')).setPassword),
    ),
    ['candlecast user password ada@example.com', 'asks for the password'],
  );
  examples(
    add('sessions', 'list the devices on which somebody is logged in').action(
      perform(async () => (await import('../user.js')).listSessions),
    ),
    ['candlecast user sessions ada@example.com'],
  );
  examples(
    add('logout', 'end one session, or all of them')
      .argument('[session]', 'its id; without it, all')
      .action(perform(async () => (await import('../user.js')).logOut)),
    ['candlecast user logout ada@example.com', 'everywhere'],
  );
  examples(
    add('delete', 'delete an account with everything that is its own')
      .option('--yes', 'do not ask')
      .action(perform(async () => (await import('../user.js')).deleteUser)),
    ['candlecast user delete ada@example.com --yes'],
  );
}
