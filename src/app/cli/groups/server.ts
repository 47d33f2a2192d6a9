import type { Command } from 'commander';
import { examples } from '../help.js';
import { perform } from '../perform.js';

export function serverGroup(program: Command): void {
  examples(
    program
      .command('start')
      .description('run the server (the default)')
      .action(perform(async () => (await import('../start.js')).start)),
    ['candlecast', 'the demo market, with everything embedded in ./data'],
    ['FEEDS=binance:BTCUSDT,ETHUSDT PORT=80 HOST=0.0.0.0 candlecast start'],
  );
}
