import type { Accounts } from '../accounts/accounts.js';
import type { Overdue } from '../kit/overdue.js';
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

/** Keys of users in Redis, `session:{user}` and `signals:{user}`, that are not as the database has it. */
export function overdueMetrics(session: Overdue, signals: Overdue): Metric[] {
  const ofBoth = (count: (overdue: Overdue) => number) => () =>
    [
      [{ key: 'session' }, count(session)],
      [{ key: 'signals' }, count(signals)],
    ] as const;
  return [
    {
      name: 'user_keys_overdue',
      help: 'Keys of users that could not be written to Redis, or removed; it is tried again.',
      labels: ['key'],
      read: ofBoth(({ size }) => size),
    },
    {
      name: 'user_keys_left_total',
      help: 'Keys of users that were too many to be tried again: they stay until they expire.',
      labels: ['key'],
      read: ofBoth(({ leftUndone }) => leftUndone),
    },
  ];
}
