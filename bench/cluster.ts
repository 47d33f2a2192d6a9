/**
 * Several nodes, with Redis and the database between them:
 *   npx tsx bench/cluster.ts [--mode latency|publishes|growth|recovery|drain|all] [--rounds 5] [--seconds 5] [--json]
 *     [--clients 1000] [--rates 40,80] [--symbols 10,100,500,2000] [--gateways 2,4,8] [--takeovers 10,100,500,2000]
 * See README.md.
 */
import { parseArgs } from 'node:util';
import { drain } from './cluster/drain.js';
import { growth } from './cluster/growth.js';
import { latency } from './cluster/latency.js';
import { publishes } from './cluster/publishes.js';
import { recovery } from './cluster/recovery.js';

const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: 'all' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '1000' },
    rates: { type: 'string', default: '40,80' },
    symbols: { type: 'string', default: '10,100,500,2000' },
    gateways: { type: 'string', default: '2,4,8' },
    takeovers: { type: 'string', default: '10,100,500,2000' },
    minutes: { type: 'string', default: '60' },
    // Read by the report.
    json: { type: 'boolean', default: false },
  },
});
const wants = (mode: string) => values.mode === 'all' || values.mode.split(',').includes(mode);
const numbers = (list: string) => list.split(',').filter(Boolean).map(Number);
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const symbols = numbers(values.symbols);

if (wants('latency')) await latency({ rounds, seconds, clients: Number(values.clients), rates: numbers(values.rates) });
if (wants('publishes')) await publishes({ seconds: seconds * 4 });
if (wants('growth')) await growth({ seconds, symbols, gateways: numbers(values.gateways), symbolsPerGateway: 100 });
if (wants('recovery')) await recovery({ symbols, takeovers: numbers(values.takeovers) });
if (wants('drain')) await drain({ rounds, minutes: Number(values.minutes) });
process.exit(0);
