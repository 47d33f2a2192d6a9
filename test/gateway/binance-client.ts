import { WebSocket } from 'ws';

/** What a stream brings; frames are as they came. */
export type Frame = Readonly<Record<string, unknown>>;

/** A client of the Binance-compatible sockets that keeps everything it got, in order. */
export class StreamClient {
  readonly frames: Frame[] = [];
  readonly pings: string[] = [];
  closeCode: number | null = null;
  #changed: (() => void)[] = [];

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => {
      this.frames.push(JSON.parse(data.toString()) as Frame);
      this.#wake();
    });
    socket.on('ping', (data: Buffer) => this.pings.push(data.toString()));
    socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
    socket.on('error', () => this.#wake());
  }

  /** @param path such as "/ws/btcusdt@kline_1m". */
  static async connect(port: number, path: string): Promise<StreamClient> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    const client = new StreamClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    return client;
  }

  send(request: unknown): void {
    this.socket.send(JSON.stringify(request));
  }

  /** The answer to a request. */
  async ask(method: string, params: unknown, id: unknown = this.frames.length + 1): Promise<Frame> {
    this.send(params === undefined ? { method, id } : { method, params, id });
    return this.until((frame) => 'id' in frame && JSON.stringify(frame.id) === JSON.stringify(id));
  }

  /** The first frame, new or old, that satisfies `wanted`. Rejects when the connection closes before. */
  async until(wanted: (frame: Frame) => boolean): Promise<Frame> {
    for (let next = 0; ; ) {
      for (; next < this.frames.length; next++) {
        const frame = this.frames[next];
        if (frame && wanted(frame)) return frame;
      }
      if (this.closeCode !== null) throw new Error(`closed with ${this.closeCode}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  async closed(): Promise<number> {
    while (this.closeCode === null) await new Promise<void>((resolve) => this.#changed.push(resolve));
    return this.closeCode;
  }

  #wake(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}
