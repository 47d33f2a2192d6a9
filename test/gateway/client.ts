import { unpack } from 'msgpackr';
import { WebSocket } from 'ws';
import type { ServerMessage } from '../../src/wire/messages.js';

/** A WebSocket client that keeps everything it got, in order. */
export class TestClient {
  readonly messages: ServerMessage[] = [];
  /** The same by their type: conditions that are asked at each of ten thousand messages look at few. */
  readonly #byType = new Map<string, ServerMessage[]>();
  readonly raw: (string | Uint8Array)[] = [];
  closeCode: number | null = null;
  closeReason = '';
  #changed: (() => void)[] = [];

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer, binary: boolean) => {
      this.raw.push(binary ? data : data.toString());
      this.#keep((binary ? unpack(data) : JSON.parse(data.toString())) as ServerMessage);
      this.#wake();
    });
    socket.on('close', (code, reason) => {
      this.closeCode = code;
      this.closeReason = reason.toString();
      this.#wake();
    });
    socket.on('error', () => this.#wake());
  }

  static connect(port: number, protocol: 'json' | 'msgpack' = 'json'): Promise<TestClient> {
    return TestClient.offer(port, protocol === 'json' ? [] : ['candlecast.v1.msgpack']);
  }

  /** Rejects when none of the subprotocols is taken. */
  static async offer(port: number, protocols: readonly string[]): Promise<TestClient> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, [...protocols]);
    const client = new TestClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    return client;
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  sendRaw(frame: string | Uint8Array): void {
    this.socket.send(frame);
  }

  /** The first message, new or old, that satisfies `wanted`. Rejects when the connection closes before. */
  async until<T extends ServerMessage>(wanted: (message: ServerMessage) => message is T): Promise<T>;
  async until(wanted: (message: ServerMessage) => boolean): Promise<ServerMessage>;
  async until(wanted: (message: ServerMessage) => boolean): Promise<ServerMessage> {
    for (let next = 0; ; ) {
      for (; next < this.messages.length; next++) {
        const message = this.messages[next];
        if (message && wanted(message)) return message;
      }
      if (this.closeCode !== null) throw new Error(`closed with ${this.closeCode} ${this.closeReason}`);
      await this.change();
    }
  }

  type<T extends ServerMessage['type']>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    return this.until((m): m is Extract<ServerMessage, { type: T }> => m.type === type);
  }

  all<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { type: T }>[] {
    return [...(this.#byType.get(type) ?? [])] as Extract<ServerMessage, { type: T }>[];
  }

  /** What came so far is not of interest. */
  forget(): void {
    this.messages.length = 0;
    this.#byType.clear();
  }

  #keep(message: ServerMessage): void {
    this.messages.push(message);
    const ofType = this.#byType.get(message.type);
    if (ofType === undefined) this.#byType.set(message.type, [message]);
    else ofType.push(message);
  }

  async closed(): Promise<number> {
    while (this.closeCode === null) await this.change();
    return this.closeCode;
  }

  /** A round trip: everything the server sent before is here. */
  async sync(): Promise<void> {
    const id = `sync-${this.messages.length}-${this.raw.length}`;
    this.send({ op: 'ping', id });
    await this.until((m) => m.type === 'pong' && m.id === id);
  }

  change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}
