import type { Command } from 'commander';
import { examples, withJson } from '../help.js';
import { perform } from '../perform.js';

const WHO = 'email address or id';

export function tokenGroup(program: Command): void {
  const token = program.command('token').description('API keys for programs, and access tokens to try things with');
  const add = (name: string, what: string): Command =>
    withJson(token.command(name).description(what)).argument('<user>', WHO);
  examples(
    add('create', 'make an API key, which is shown once and works until it is revoked')
      .option('--name <name>', 'what it is for', 'command line')
      .option('--scopes <list>', 'of candles, signals:read, signals:write, rules', 'candles,signals:read')
      .action(perform(async () => (await import('../token.js')).createToken)),
    ['candlecast token create bot@example.com --name bot --scopes candles,rules'],
    ['KEY=$(candlecast token create bot@example.com)'],
  );
  examples(
    add('access', 'make an access token as a login gives it, for 15 minutes').action(
      perform(async () => (await import('../token.js')).accessToken),
    ),
    [
      'curl -H "Authorization: Bearer $(candlecast token access ada@example.com)" http://127.0.0.1:8080/v1/auth/me',
      'with the DATA_DIR or JWT_SECRET of the server',
    ],
  );
  examples(
    add('list', 'list the API keys of an account').action(
      perform(async () => (await import('../token.js')).listTokens),
    ),
    ['candlecast token list bot@example.com'],
  );
  examples(
    add('revoke', 'revoke an API key: it works nowhere from now on')
      .argument('<key>', 'its id, as "token list" shows it')
      .action(perform(async () => (await import('../token.js')).revokeToken)),
    ['candlecast token revoke bot@example.com 0193a2b4-5c6d-7e8f-9012-3456789abcde'],
  );
}
