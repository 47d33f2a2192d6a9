/** The client of a Candlecast server, for Node and browsers. docs/client.md tells how to use it. */
export { Client } from './client.js';
export { CandlecastError } from './errors.js';
export type {
  Candle,
  CandleItem,
  CandleOptions,
  ClientOptions,
  ConnectionState,
  Cursor,
  EndOptions,
  Gap,
  Interval,
  Limited,
  Position,
  Reset,
  Signal,
  SignalItem,
  SignalOptions,
  SignalReset,
  Socket,
  SocketClass,
  StatusItem,
  StatusOptions,
  Subscription,
  SymbolStatus,
  TokenProvider,
} from './types.js';
