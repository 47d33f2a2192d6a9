import type { Command } from 'commander';
import { examples, withJson } from '../help.js';
import { perform } from '../perform.js';

export function analyticsGroup(program: Command): void {
  const analytics = program.command('analytics').description('the daily candles in ClickHouse; the server may run');
  const add = (name: string, what: string): Command =>
    withJson(analytics.command(name).description(what))
      .option('--to <day>', 'exclusive; without it, up to the last complete UTC day')
      .option('--symbol <symbol>', 'one symbol; without it, all');
  examples(
    add('rebuild', 'make them anew from the stored candles; a rebuild that was cut short goes on where it stopped')
      .requiredOption('--from <day>', 'the first day, such as 2024-01-05')
      .action(perform(async () => (await import('../analytics.js')).rebuildDays)),
    ['candlecast analytics rebuild --from 2020-01-01'],
    ['candlecast analytics rebuild --from 2024-01-01 --to 2024-02-01 --symbol BTCUSDT'],
  );
  examples(
    add('explain', 'list every candle that differs from what it is made of, and why; exit code 1 where one does')
      .option('--from <day>', 'the first day; without it, from the beginning')
      .action(perform(async () => (await import('../analytics.js')).explainDays)),
    ['candlecast analytics explain --from 2024-01-01 --symbol BTCUSDT'],
  );
}
