import type { Accounts } from '../accounts/accounts.js';
import type { Metric } from '../ops/metrics.js';
import type { UserFeeds } from '../signals/feed.js';

/** What the accounts count, and the delivery of signals. */
export function accountMetrics(accounts: Accounts, feeds: UserFeeds): Metric[] {
  const passwords = () => accounts.stats().passwords;
  const auth = () => accounts.stats().auth;
  return [
    {
      name: 'tokens_checked_total',
      help: 'Access tokens and API keys, by what became of them.',
      labels: ['result'],
      read: () => [
        [{ result: 'accepted' }, auth().accepted],
        ...Object.entries(auth().refused).map(([result, count]) => [{ result }, count] as const),
      ],
    },
    { name: 'passwords_verified_total', help: 'Passwords verified.', read: () => passwords().verified },
    {
      name: 'passwords_refused_total',
      help: 'Passwords not verified because too many waited.',
      read: () => passwords().refused,
    },
    { name: 'passwords_waiting', help: 'Passwords that wait to be hashed.', read: () => passwords().waiting },
    { name: 'signal_users', help: 'Users whose signals are followed here.', read: () => feeds.followed },
    {
      name: 'signals_up',
      help: '1 while new signals arrive at once.',
      across: 'min',
      read: () => (feeds.up ? 1 : 0),
    },
  ];
}
