import { Connection } from '../connection.js';
import type { Dialect, Place } from '../dialect.js';

/** A connection on one of the Binance-compatible paths. */
export class BinanceConnection extends Connection {
  constructor(
    dialect: Dialect,
    { slot, tokens }: Place,
    /** Frames carry the name of their stream. */
    public combined: boolean,
    /** Streams that its address names; null once they are subscribed. */
    public named: readonly string[] | null,
  ) {
    super(dialect, 'json', slot, tokens, null);
  }
}
