#!/usr/bin/env node
import { buildProgram, withImplied } from './app/cli/program.js';

// Whoever read the answer has had enough of it: "candlecast export candles BTCUSDT | head".
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

await buildProgram().parseAsync(withImplied(process.argv.slice(2)), { from: 'user' });
