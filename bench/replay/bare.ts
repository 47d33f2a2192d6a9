/** The floor: a cursor of postgres.js over the rows, each made into a frame of the same text, and uWebSockets.js. */

import uws from 'uWebSockets.js';
import postgres from 'postgres';
import { postgresOptions } from '../../src/store/embedded/start.js';

const url = process.env.REPLAY_URL ?? '';
const sql = postgres(url, { ...postgresOptions(url), max: 1, fetch_types: false });
const ROWS_A_PAGE = 512;
const MOST_BUFFERED = 512 * 1024;

interface Row {
  readonly t: number;
  readonly o: string;
  readonly h: string;
  readonly l: string;
  readonly c: string;
  readonly v: string;
  readonly n: number;
  readonly r: number;
  readonly seq: string;
  readonly epoch: string;
}

let drained = (): void => {};

async function play(ws: uws.WebSocket<object>, symbol: string): Promise<void> {
  let prev = 0;
  const rows = sql<Row[]>`
    SELECT extract(epoch FROM timestamp)::float8 * 1000 AS t, open::text AS o, high::text AS h, low::text AS l, close::text AS c,
      volume::text AS v, trade_count::int AS n, revision AS r, seq::text, epoch::text
    FROM ohlcv WHERE symbol = ${symbol} ORDER BY timestamp`;
  for await (const page of rows.cursor(ROWS_A_PAGE)) {
    ws.cork(() => {
      for (const { t, o, h, l, c, v, n, r, seq, epoch } of page) {
        ws.send(
          `{"type":"candle","channel":"candles:${symbol}:1m:closed","epoch":${epoch},"seq":${seq},"prev":${prev},"candle":{"t":${t},"o":"${o}","h":"${h}","l":"${l}","c":"${c}","v":"${v}","n":${n},"x":true,"r":${r}}}`,
        );
        prev = Number(seq);
      }
    });
    while (ws.getBufferedAmount() > MOST_BUFFERED)
      await new Promise<void>((resolve) => {
        drained = resolve;
      });
  }
  ws.send('{"type":"replay_end"}');
}

uws
  .App()
  .ws<object>('/*', {
    maxBackpressure: 64 * 1024 * 1024,
    message: (ws, message) => void play(ws, Buffer.from(message).toString()),
    drain: () => drained(),
  })
  .listen('127.0.0.1', 0, (socket) => {
    if (socket === false) throw new Error('cannot listen');
    process.send?.({ re: 'ready', port: uws.us_socket_local_port(socket) });
  });
process.on('disconnect', () => process.exit(0));
