/** How a client says which channels it wants, per server. */
export interface Hello {
  readonly path: string;
  readonly protocol?: string;
  /** Text frames: the first once the upgrade is through, each next on the server's next reply; '' sends nothing. */
  readonly send: readonly string[];
  /** Frames the server answers before the client counts as subscribed. */
  readonly replies: number;
}

export const DIALECTS: Readonly<Record<string, (channels: readonly number[]) => Hello>> = {
  query: (channels) => ({ path: `/?c=${channels.join(',')}`, send: [], replies: 0 }),
  // engine.io "open", socket.io "connect", then the answer to our subscription.
  socketio: (channels) => ({
    path: '/socket.io/?EIO=4&transport=websocket',
    send: ['', '40', `42${JSON.stringify(['sub', channels.map(String)])}`],
    replies: 3,
  }),
  // Channel n is the one-minute candle of symbol B<n>; a welcome, then one reply a channel.
  native: (channels) => ({
    path: '/v1/stream',
    protocol: 'candlecast.v1.json',
    send: [
      '',
      JSON.stringify({ op: 'subscribe', id: 1, channels: channels.map((n) => `candles:B${n}:1m`), snapshot: 0 }),
    ],
    replies: 1 + channels.length,
  }),
  // The same channels as streams of Binance; one reply to all of them.
  binance: (channels) => ({
    path: '/ws',
    send: [JSON.stringify({ method: 'SUBSCRIBE', id: 1, params: channels.map((n) => `b${n}@kline_1m`) })],
    replies: 1,
  }),
};
