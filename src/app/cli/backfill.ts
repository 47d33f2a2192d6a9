import { type BackfillOptions, backfill as write } from '../backfill.js';
import { type AnswerOptions, answer } from './answer.js';
import type { Ground } from './run.js';

/** `candlecast backfill`: history of an exchange, for a server that does not run. */
export async function backfill(
  ground: Ground,
  venue: string,
  symbol: string,
  options: AnswerOptions & BackfillOptions,
): Promise<undefined> {
  answer(options, await write(ground, venue, symbol, options), (done) => {
    const [from, to] = [new Date(done.from).toISOString(), new Date(done.to).toISOString()];
    const filled = done.gapsFilled === 0 ? '' : `, ${done.gapsFilled} gaps filled`;
    const announced = done.gapsAnnounced === 0 ? '' : `, ${done.gapsAnnounced} gaps announced`;
    const went = done.resumedAt === null ? '' : `, going on at ${new Date(done.resumedAt).toISOString()}`;
    return `${done.symbol}: ${done.minutes} minutes of ${done.trades} trades from ${from} to ${to}${went}${filled}${announced}`;
  });
}
