import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Environment } from '../../support/server.js';
import { here } from '../here.js';
import { ended, Places } from '../support.js';

/** Every command, given wrong: exit code 2 and words that say what would be right, before a database is opened. */

const UNREACHABLE = 'postgres://u:hunter2@127.0.0.1:2/x';
const places = new Places();
let directory: string;
let dataDir: string;

beforeAll(async () => {
  directory = await places.directory();
  dataDir = join(directory, 'data');
  await mkdir(join(directory, 'folder'));
  await writeFile(join(directory, 'empty.csv'), '');
  await writeFile(join(directory, 'junk.csv'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 255, 10, 0]));
});
afterAll(() => places.clear());

const FILE = (name: string): string => `FILE:${name}`;
const WALK: readonly (readonly [args: readonly string[], words: RegExp, env?: Environment])[] = [
  [['strat'], /unknown command 'strat'[\s\S]*Did you mean start\?[\s\S]*See candlecast --help/],
  [['start', '--port', '1'], /unknown option '--port'[\s\S]*See candlecast start --help/],
  [['start', 'now'], /too many arguments/],
  [['db', 'sevre'], /unknown command 'sevre'[\s\S]*Did you mean serve/],
  [['db', 'status', '--limit', 'all'], /--limit "all" must be an integer from 1 to 10000/],
  [
    ['db', 'status'],
    /the database at postgres:\/\/u@127\.0\.0\.1:2\/x cannot be used.*nothing listens there/,
    { TIMESCALE_URL: UNREACHABLE },
  ],
  [['db', 'migrate'], /cannot be used.*nothing listens there/, { DATABASE_URL: UNREACHABLE }],
  [['backfill', 'binance', 'BTCUSDT'], /required option '--from <time>' not specified/],
  [['backfill', 'nyse', 'IBM', '--from', '2024-01-01'], /no history of "nyse": a venue is one of binance/],
  [['backfill', 'binance', 'BTCUSDT', '--from', '2024-02-30'], /--from "2024-02-30" must be a day \(2024-01-05\)/],
  [['export', 'candles'], /missing required argument 'symbol'/],
  [['export', 'candles', 'btc/usd'], /the symbol "btc\/usd" must be 1 to 50 characters/],
  [['export', 'candles', 'BTC', '-i', '7m'], /--interval "7m" must be one of 1m, 3m/],
  [['export', 'candles', 'BTC', '--from', 'yesterday'], /--from "yesterday" must be a day/],
  [['export', 'candles', 'BTC', '--from', '2024-01-02', '--to', '2024-01-01'], /--from must be before --to/],
  [['export', 'candles', 'BTC', '--json'], /--json needs --output/],
  [['export', 'candles', 'BTC'], /cannot be used.*nothing listens there/, { TIMESCALE_URL: UNREACHABLE }],
  [['export', 'trades', 'BTC'], /unknown command 'trades'/],
  [['import', 'candles', FILE('none.csv')], /cannot import .*none\.csv: there is no such file/],
  [['import', 'candles', FILE('folder')], /folder is not a file: import takes a CSV file of candles/],
  [['import', 'candles', FILE('empty.csv')], /empty\.csv:1: the file is empty/],
  [['import', 'candles', FILE('junk.csv')], /junk\.csv:1: ".*" is no column of candles/],
  [['import', 'candles', FILE('empty.csv'), '--symbol', 'a b'], /--symbol must be 1 to 50 characters/],
  [['import', 'trades', FILE('empty.csv')], /required option '--symbol <symbol>' not specified/],
  [
    ['import', 'trades', FILE('empty.csv'), '--symbol', 'X'],
    /empty\.csv:1: it is empty; its first line must be "trade_id,/,
  ],
  [['import', 'trades', FILE('junk.csv'), '--symbol', 'X'], /junk\.csv:1: its first line is .*; it must be/],
  [['analytics', 'rebuild'], /required option '--from <day>' not specified/],
  [['analytics', 'rebuild', '--from', '2024-02-30'], /--from "2024-02-30" must be a day/],
  [['analytics', 'rebuild', '--from', '2024-01-02', '--to', '2024-01-02'], /--from must be before --to, which is excl/],
  [['analytics', 'explain', '--to', '9999-01-01'], /--to .* must not be after 20.*: only complete UTC days are kept/],
  [
    ['analytics', 'rebuild', '--from', '2024-01-01'],
    /cannot be used.*nothing listens there/,
    { TIMESCALE_URL: UNREACHABLE },
  ],
  [['user', 'create'], /missing required argument 'email'/],
  [['user', 'create', 'a@b.c', '--role', 'king'], /--role "king" must be one of user, publisher, admin/],
  [['user', 'list', '--limit', '0'], /--limit "0" must be an integer from 1/],
  [['user', 'list'], /cannot be used.*nothing listens there/, { DATABASE_URL: UNREACHABLE }],
  [['user', 'role', 'a@b.c', 'king'], /the role "king" must be one of/],
  [
    ['token', 'create', 'a@b.c', '--scopes', 'everything'],
    /--scopes "everything" must be one of candles, signals:read/,
  ],
  [['token', 'create', 'a@b.c', '--name', ' '], /--name must have 1 to 100 characters/],
  [['token', 'access', 'a@b.c'], /JWT_SECRET is missing: give the one that the nodes have/, { REDIS_URL: 'redis://h' }],
  [['plan', 'set', 'a@b.c', 'pro', '--to', '2027-02-30'], /--to "2027-02-30" must be a day, such as 2026-01-31/],
  [['plan', 'list'], /PLANS must be a JSON object/, { PLANS: '[]' }],
  [['doctor', '--verbose'], /unknown option '--verbose'/],
  [['user', 'list'], /PORT must be an integer[\s\S]*LOG_LEVEL must be one of/, { PORT: 'x', LOG_LEVEL: 'x' }],
];

function complaint(
  args: readonly string[],
  words: RegExp,
  { code, said }: { code: number | null; said: string },
): string[] {
  const isClear =
    words.test(said) && !/^\s+at /m.test(said) && !said.includes('hunter2') && said.split('\n').length <= 5;
  const isRight = code === 2 && isClear && !/TimescaleDB/.test(said);
  return isRight ? [] : [`${args.join(' ')}: ${code}: ${said}`];
}

const given = (args: readonly string[]): string[] =>
  args.map((arg) => (arg.startsWith('FILE:') ? join(directory, arg.slice(5)) : arg));

test('every command says in a few words what was wrong and what would be right', async () => {
  const complaints: string[] = [];
  for (const [args, words, env = {}] of WALK)
    complaints.push(...complaint(args, words, await here(given(args), { DATA_DIR: dataDir, ...env })));
  expect(complaints).toEqual([]);
});

test('the same as processes', async () => {
  const walk = WALK.filter((_, index) => index % 16 === 4).map(async ([args, words, env = {}]) =>
    complaint(args, words, await ended(given(args), { DATA_DIR: dataDir, ...env })),
  );
  expect((await Promise.all(walk)).flat()).toEqual([]);
});

test('a password that is not given', async () => {
  const { code, said } = await ended(['user', 'create', 'a@b.c'], { DATA_DIR: dataDir });
  expect([code, said]).toEqual([2, 'candlecast: the password is missing: give it on standard input\n']);
});

test('groups without a command show what there is', async () => {
  for (const group of ['user', 'token', 'plan', 'export', 'import', 'analytics']) {
    const { code, said } = await here([group], { DATA_DIR: dataDir });
    expect([code, said]).toEqual([2, expect.stringMatching(new RegExp(`^Usage: candlecast ${group} `))]);
  }
});
