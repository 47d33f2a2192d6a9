import type { Command } from 'commander';
import { examples, withJson } from '../help.js';
import { perform } from '../perform.js';

export function backfillGroup(program: Command): void {
  examples(
    withJson(
      program
        .command('backfill <venue> <symbol>')
        .description(
          'write the candles of a stretch of the past, from an exchange or from its published files; the server must not run',
        ),
    )
      .requiredOption('--from <time>', 'a day (2024-01-05), a time with its zone, or epoch ms')
      .option('--to <time>', 'exclusive; without it, until now')
      .option('--archive <dir>', 'read SYMBOL-trades-….zip, .csv or .csv.gz of Binance instead of asking the exchange')
      .option('--rest <url>', "where the exchange's REST is")
      .option('--as <symbol>', 'store it under this symbol')
      .action(perform(async () => (await import('../backfill.js')).backfill)),
    ['candlecast backfill binance BTCUSDT --from 2026-01-01', 'from the exchange, as fast as it allows'],
    ['candlecast backfill binance BTCUSDT --from 2020-01-01 --to 2026-01-01 --archive ./binance'],
  );
}
