import type { Command } from 'commander';
import { examples, withJson } from '../help.js';
import { perform } from '../perform.js';

export function transferGroup(program: Command): void {
  const out = program
    .command('export')
    .description('write stored candles as CSV (trades are not stored); the server may run');
  examples(
    withJson(out.command('candles').description('write closed candles as CSV, every digit of them, oldest first'))
      .argument('<symbol>', 'such as BTCUSDT')
      .option('-i, --interval <interval>', '1m, 3m, 5m … 1w, 1M', '1m')
      .option('--from <time>', 'a day (2024-01-05), a time with its zone, or epoch ms; without it, from the first')
      .option('--to <time>', 'exclusive; without it, up to the last')
      .option('-o, --output <file>', 'whole or not at all, packed where it ends with .gz; without it, standard output')
      .action(perform(async () => (await import('../transfer.js')).exportCandles)),
    ['candlecast export candles BTCUSDT -o btcusdt.csv.gz', 'a copy that "import candles" reads'],
    ['candlecast export candles BTCUSDT --interval 1d --from 2024-01-01 | duckdb -c "from read_csv(\'/dev/stdin\')"'],
  );
  const into = program.command('import').description('take CSV files in; the server must not run');
  const add = (name: string, what: string): Command =>
    withJson(into.command(name).description(what))
      .argument('<file>', 'CSV, plain or gzip')
      .option('--skip-bad', 'leave wrong lines out, in DATA_DIR/quarantine; without it the first one stops')
      .option('--replace', 'replace minutes that are stored already; without it they stay as they are');
  examples(
    add('candles', 'take in one-minute candles as "export candles" writes them')
      .option('--symbol <symbol>', 'store them under this symbol; without it, under that of the file')
      .action(perform(async () => (await import('../transfer.js')).importCandles)),
    ['candlecast import candles btcusdt.csv.gz'],
    [
      'candlecast import candles klines.csv --symbol BTCUSDT',
      'a file of your own: a header that names open_time_ms,open,high,low,close,volume',
    ],
  );
  examples(
    add('trades', 'take in the candles of a file of trades; it has all trades of its minutes')
      .requiredOption('--symbol <symbol>', 'whose trades they are')
      .action(perform(async () => (await import('../transfer.js')).importTrades)),
    ['candlecast import trades trades.csv.gz --symbol BTCUSDT', 'trade_id,time_ms,price,quantity,taker_side'],
    [
      'candlecast backfill binance BTCUSDT --from 2024-01-01 --archive ./binance',
      'the published files of Binance have another command',
    ],
  );
}
