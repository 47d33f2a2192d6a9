import type { Server } from '../../../test/support/server.js';

const TRADES_A_REQUEST = 4000;

/** A trade of every symbol each period, as a collector sends them: in real time, many in a request. */
export class Pusher {
  /** Requests that were under way when the next was due: the node is behind. */
  late = 0;
  readonly #server: Server;
  readonly #symbols: readonly string[];
  #id = 0;
  #busy = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(server: Server, symbols: readonly string[]) {
    this.#server = server;
    this.#symbols = symbols;
  }

  start(periodMs: number): void {
    this.#timer = setInterval(() => {
      if (this.#busy) {
        this.late++;
        return;
      }
      void this.tick(Date.now());
    }, periodMs);
  }

  /** One trade of every symbol. */
  async tick(time: number): Promise<void> {
    this.#busy = true;
    const id = ++this.#id;
    const price = (100 + (id % 1000) / 100).toFixed(2);
    const trades = this.#symbols.map((symbol) => ({ symbol, id, time, price, quantity: '0.5', side: 'buy' }));
    for (let i = 0; i < trades.length; i += TRADES_A_REQUEST)
      await post(this.#server, trades.slice(i, i + TRADES_A_REQUEST));
    this.#busy = false;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}

/** Rejects unless all are accepted. */
export async function post(server: Server, trades: readonly object[]): Promise<void> {
  const response = await fetch(`${server.url}/v1/trades`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(trades),
  });
  const answer = (await response.json()) as { accepted?: number };
  if (answer.accepted !== trades.length)
    throw new Error(`pushing: ${response.status} ${JSON.stringify(answer).slice(0, 300)}`);
}

export function symbolNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `COIN${String(i).padStart(4, '0')}USDT`);
}
