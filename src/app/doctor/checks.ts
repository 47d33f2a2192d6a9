import { type Config, ConfigError, loadConfig } from '../../config/config.js';
import { checkFeeds } from '../../feed/create.js';
import { type FeedSpec, parseFeeds } from '../../feed/spec.js';
import type { Clock } from '../../kit/clock.js';
import { runningDatabase } from '../../store/embedded/running.js';
import { clickHouseCheck } from './clickhouse.js';
import { type DatabaseToCheck, databaseCheck } from './databases.js';
import { type Check, error, type Finding, ok, reasonOf, warning } from './finding.js';
import { identityChecks } from './identity.js';
import { machineChecks } from './machine.js';
import { placeChecks } from './place.js';
import { redisCheck } from './redis.js';

/** What there is to check with this environment. With a configuration that is not valid, that and the machine. */
export async function checksOf(clock: Clock): Promise<Check[]> {
  try {
    const config = loadConfig(parseFeeds);
    return [configuration(config), ...(await parts(config, clock))];
  } catch (failure) {
    if (!(failure instanceof ConfigError)) throw failure;
    const findings = failure.problems.map((problem) => error(problem, '.env.example lists every variable'));
    const machine = machineChecks({ serves: true, embedsTimescale: false, embedsClickHouse: false, transport: 'auto' });
    return [{ name: 'configuration', run: async () => findings }, ...machine];
  }
}

function configuration({ warnings, feeds, roles }: Config<FeedSpec>): Check {
  return {
    name: 'configuration',
    run: async () => [
      ok(`valid; roles ${roles.join(', ')}`),
      ...warnings.map((text) => warning(text, 'correct the name, or remove it')),
      await feedsOpen(feeds),
    ],
  };
}

async function feedsOpen(feeds: readonly FeedSpec[]): Promise<Finding> {
  try {
    await checkFeeds(feeds);
    return ok(`${feeds.length} feeds`);
  } catch (failure) {
    return error(reasonOf(failure));
  }
}

async function parts(config: Config<FeedSpec>, clock: Clock): Promise<Check[]> {
  const { roles, redisUrl, clickhouseUrl, timescaleUrl } = config;
  const serves = roles.includes('gateway');
  const closesMinutes = roles.includes('ingest');
  const embedsClickHouse = roles.includes('analytics') && clickhouseUrl === null;
  const { transport } = config;
  return [
    ...machineChecks({ serves, embedsTimescale: timescaleUrl === null, embedsClickHouse, transport }),
    ...placeChecks(config),
    ...identityChecks({ ...config, isGatewayOfMany: serves && redisUrl !== null }),
    ...(await databases(config)).map((wanted) => databaseCheck(wanted, clock)),
    ...(redisUrl === null ? [] : [redisCheck(redisUrl, config.redisPrefix, clock, closesMinutes)]),
    ...(clickhouseUrl === null ? [] : [clickHouseCheck(clickhouseUrl)]),
  ];
}

/** An embedded database is asked where a server runs it; otherwise it would have to be opened. */
async function databases({ timescaleUrl, databaseUrl, dataDir, roles }: Config<FeedSpec>): Promise<DatabaseToCheck[]> {
  const closesMinutes = roles.includes('ingest');
  const candles = timescaleUrl ?? (await runningDatabase(dataDir));
  const name =
    timescaleUrl === null ? 'embedded database' : timescaleUrl === databaseUrl ? 'DATABASE_URL' : 'TIMESCALE_URL';
  const own = databaseUrl !== null && databaseUrl !== timescaleUrl ? databaseUrl : null;
  const sets = own === null ? (['timescale', 'postgres'] as const) : (['timescale'] as const);
  return [
    ...(candles === null ? [] : [{ name, url: candles, sets, closesMinutes }]),
    ...(own === null ? [] : [{ name: 'DATABASE_URL', url: own, sets: ['postgres'] as const, closesMinutes: false }]),
  ];
}
