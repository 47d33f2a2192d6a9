import { ClickHouse } from '../../analytics/clickhouse.js';
import { type Check, error, ok, reasonOf } from './finding.js';

const DEADLINE_MS = 3000;

export function clickHouseCheck(url: string): Check {
  return {
    name: 'CLICKHOUSE_URL',
    run: async () => {
      const server = new ClickHouse({ url });
      try {
        const [row] = await server.rows<{ version: string }>(
          'SELECT version() AS version',
          {},
          { deadlineMs: DEADLINE_MS },
        );
        return [ok(`ClickHouse ${row?.version ?? ''} answers`)];
      } catch (failure) {
        return [error(reasonOf(failure), 'start it, or correct CLICKHOUSE_URL; not set = the embedded one')];
      }
    },
  };
}
