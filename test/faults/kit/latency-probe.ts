import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { ServerMessage } from '../../../src/wire/messages.js';
import { eventually, post } from '../../app/support.js';
import type { Cluster } from './cluster.js';
import type { Distribution } from './measure.js';
import type { ClusterNode } from './node.js';

export const PROBE_SYMBOL = 'PROBE';
const EACH_MS = 20;
const OWNED_WITHIN_MS = 30_000;
/** A probe that took longer counts as this long. */
const LOST_MS = 10_000;

/**
 * Measures the live path from end to end: pushes one trade at a time to the ingest node and awaits, on every listener,
 * the update that carries its price. Wants FEEDS with push and COALESCE_MS=0.
 */
export class LatencyProbe {
  readonly #sockets: WebSocket[] = [];
  #id = 0;
  #waiting: { readonly price: string; readonly sentMs: number; missing: Set<WebSocket>; done: () => void } | null =
    null;
  #into: Distribution | null = null;

  private constructor(private readonly owner: ClusterNode) {}

  /** @param listeners sockets that listen, spread over the gateways. */
  static async start(cluster: Cluster, listeners: number): Promise<LatencyProbe> {
    const probe = new LatencyProbe(await pushOwner(cluster));
    const ports = cluster.ports;
    await Promise.all(Array.from({ length: listeners }, (_, index) => probe.#listen(ports[index % ports.length] ?? 0)));
    return probe;
  }

  /** Probes one after the other for so long. */
  async run(durationMs: number, into: Distribution): Promise<void> {
    this.#into = into;
    const end = performance.now() + durationMs;
    while (performance.now() < end) {
      await this.#once();
      await pause(EACH_MS);
    }
  }

  stop(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  async #once(): Promise<void> {
    // The id of the trade is 1 already.
    const id = ++this.#id + 1;
    const price = `${id}.00000000`;
    const sentMs = performance.now();
    const arrived = new Promise<void>((done) => {
      this.#waiting = { price, sentMs, missing: new Set(this.#sockets), done };
    });
    const trade = { symbol: PROBE_SYMBOL, id, time: Date.now(), price, quantity: '1', side: 'buy' };
    const answer = await post(this.owner.server, [trade]);
    if (answer.body.accepted !== 1) throw new Error(`probe refused: ${answer.status} ${JSON.stringify(answer.body)}`);
    await Promise.race([arrived, pause(LOST_MS)]);
    for (const _ of this.#waiting?.missing ?? []) this.#into?.add(LOST_MS);
    this.#waiting = null;
  }

  async #listen(port: number): Promise<void> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, { perMessageDeflate: false });
    this.#sockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.on('open', () =>
        socket.send(JSON.stringify({ op: 'subscribe', channels: [`candles:${PROBE_SYMBOL}:1m`] })),
      );
      socket.on('message', (data: Buffer) => {
        const message = JSON.parse(data.toString()) as ServerMessage;
        if (message.type === 'error') reject(new Error(message.message));
        if (message.type === 'subscribed') resolve();
        if (message.type === 'candle') this.#arrived(socket, message.candle.c);
      });
    });
  }

  #arrived(socket: WebSocket, price: string): void {
    const waiting = this.#waiting;
    if (waiting?.price !== price || !waiting.missing.delete(socket)) return;
    this.#into?.add(performance.now() - waiting.sentMs);
    if (waiting.missing.size === 0) waiting.done();
  }
}

/** The ingest node that takes pushed trades; a first one makes the symbol known. */
async function pushOwner(cluster: Cluster): Promise<ClusterNode> {
  const first = { symbol: PROBE_SYMBOL, id: 1, time: Date.now(), price: '1', quantity: '1', side: 'buy' };
  const found = await eventually(
    async () => {
      for (const node of cluster.ingest) {
        const { status, body } = await post(node.server, [first]);
        if (status === 200 && body.accepted + body.duplicates === 1) return node;
      }
      return null;
    },
    (node) => node !== null,
    OWNED_WITHIN_MS,
  );
  if (found === null) throw new Error('nobody takes pushed trades');
  return found;
}
