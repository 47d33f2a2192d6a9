/**
 * What belongs to users, over several nodes, with Redis, PostgreSQL with fsync and the embedded TimescaleDB between them:
 *   npx tsx bench/users.ts [--mode delivery|throughput|rules|logins|all] [--rounds 5] [--seconds 10] [--users 10000]
 *     [--rates 50,200] [--closes 4] [--symbols 200] [--rules 500] [--json]
 * See README.md.
 */
import { parseArgs } from 'node:util';
import { delivery } from './users/delivery.js';
import { logins } from './users/logins.js';
import { rules } from './users/rules.js';
import { throughput } from './users/throughput.js';

const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: 'all' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '10' },
    users: { type: 'string', default: '10000' },
    rates: { type: 'string', default: '50,200' },
    closes: { type: 'string', default: '4' },
    symbols: { type: 'string', default: '200' },
    rules: { type: 'string', default: '500' },
    // Read by the report.
    json: { type: 'boolean', default: false },
  },
});
const wants = (mode: string) => values.mode === 'all' || values.mode.split(',').includes(mode);
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const rates = values.rates.split(',').map(Number);

if (wants('delivery')) await delivery({ rounds, seconds, users: Number(values.users), rates });
if (wants('throughput')) await throughput({ rounds, seconds, users: Math.min(1000, Number(values.users)) });
if (wants('logins')) await logins({ rounds, seconds });
if (wants('rules')) {
  const { closes, symbols, rules: each } = values;
  await rules({ closes: Number(closes), symbols: Number(symbols), rules: Number(each) });
}
process.exit(0);
