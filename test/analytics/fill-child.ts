/** Copies days until half of the first INSERT is written, says so and waits to be killed. Arguments: database URL, DATA_DIR, its time. */
import { Analytics } from '../../src/analytics/analytics.js';
import { Filler } from '../../src/analytics/filler.js';
import { daysOf } from '../../src/app/analytics-keeper.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { Database } from '../../src/store/timescale/database.js';
import { MIGRATIONS } from './support.js';

const [url = '', dataDir = '', now = ''] = process.argv.slice(2);
const database = new Analytics({ url: null, dataDir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
const filler = new Filler({
  source: daysOf(new Database({ url, clock: systemClock })),
  database: {
    rows: (...given) => database.rows(...given),
    remove: (days) => database.remove(days),
    insert: async (rows) => {
      await database.insert(rows.slice(0, rows.length >> 1));
      process.send?.('half');
      await new Promise(() => {});
    },
  },
  graceMs: 2000,
  clock: { ...systemClock, now: () => Number(now) },
  log: silentLog,
});
await filler.pass();
