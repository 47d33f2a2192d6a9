import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Lane, type LaneRules, plainRules } from './lane.js';

/** Where a proxy leads: a TCP port of this machine, or a Unix socket. */
export type Target = { readonly port: number } | { readonly path: string };
/** `up`: from who connects to the target; `down`: back. */
export type Direction = 'up' | 'down' | 'both';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly lanes: readonly [Lane, Lane];
}

/** A TCP proxy on 127.0.0.1 whose faults are switched on and off while it runs. */
export class FaultProxy {
  port = 0;
  /** Connections accepted so far. */
  accepted = 0;
  /** May change: connections made later go there. */
  target: Target;
  readonly #up = plainRules();
  readonly #down = plainRules();
  readonly #links = new Set<Link>();
  #server: Server | null = null;

  private constructor(target: Target) {
    this.target = target;
  }

  static async to(target: Target): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.#listen();
    return proxy;
  }

  get connections(): number {
    return this.#links.size;
  }

  /** One way; a round trip takes twice as long with `both`. */
  latency(latencyMs: number, direction: Direction = 'both'): void {
    this.#set(direction, { latencyMs });
  }

  bandwidth(bytesPerSecond: number, direction: Direction = 'both'): void {
    this.#set(direction, { bytesPerSecond });
  }

  /** Accepts and forwards nothing; what was sent meanwhile arrives when it heals, as over a broken network. */
  blackhole(direction: Direction = 'both'): void {
    this.#set(direction, { blackhole: true });
  }

  /** Cuts a connection when `bytes` more have passed in the direction, all connections counted together. */
  cutAfter(bytes: number, direction: 'up' | 'down' = 'down'): void {
    this.#set(direction, { cutAfterBytes: bytes });
  }

  /** Inverts the byte that comes after `bytes` more. */
  corruptAfter(bytes: number, direction: 'up' | 'down' = 'down'): void {
    this.#set(direction, { corruptAtByte: bytes });
  }

  /** @throws RangeError when the lengths differ. */
  replace(find: string, by: string, direction: Direction = 'down'): void {
    if (Buffer.byteLength(find) !== Buffer.byteLength(by)) throw new RangeError('the lengths must be equal');
    this.#set(direction, { replace: { find: Buffer.from(find), by: Buffer.from(by) } });
  }

  /** Resets every connection now (RST); new ones are accepted. */
  reset(): void {
    for (const link of this.#links) cut(link);
  }

  /** New connections are refused; those that stand go on. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    // Its callback waits for every connection to end; the port is free at once.
    server?.close();
  }

  /** As if nothing had been. */
  async heal(): Promise<void> {
    this.#set('both', plainRules());
    if (this.#server === null) await this.#listen();
  }

  async stop(): Promise<void> {
    await this.refuse();
    this.reset();
  }

  #set(direction: Direction, change: Partial<LaneRules>): void {
    if (direction !== 'down') Object.assign(this.#up, change);
    if (direction !== 'up') Object.assign(this.#down, change);
    for (const { lanes } of this.#links) for (const lane of lanes) lane.changed();
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', () => {
        this.port = (server.address() as AddressInfo).port;
        this.#server = server;
        resolve();
      });
    });
  }

  #accept(client: Socket): void {
    this.accepted++;
    const server = connect({ ...this.target, allowHalfOpen: true });
    client.setNoDelay(true);
    const drop = (): void => cut(link);
    const link: Link = {
      client,
      server,
      lanes: [new Lane(client, server, this.#up, drop), new Lane(server, client, this.#down, drop)],
    };
    this.#links.add(link);
    for (const socket of [client, server]) {
      socket.on('error', drop);
      socket.on('close', (hadError) => {
        if (hadError) drop();
        if (client.destroyed && server.destroyed) this.#links.delete(link);
      });
    }
  }
}

/** RST, at once: `resetAndDestroy` would send a FIN before. A Unix socket has neither. */
function cut({ client, server }: Link): void {
  for (const socket of [client, server]) {
    if (!socket.destroyed) Object.assign(socket, { resetAndClosing: socket.remoteFamily !== undefined }).destroy();
  }
}
