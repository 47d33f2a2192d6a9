import type { WebSocket } from 'uWebSockets.js';
import type { Frame } from '../../wire/codec.js';
import type { Listener } from './sweep.js';
import type { Socket, TransportOptions } from './transport.js';

/** uWS copies these properties onto its own object for the connection. */
export interface UserData<T> {
  socket: UwsSocket<T>;
}

const SENT = 1;

/**
 * The only object of ours per connection: thousands of idle ones must cost little, so no closures, sets or maps here.
 * uWS throws on every use after close, hence `ws` is null from then on.
 */
export class UwsSocket<T> implements Socket<T>, Listener {
  ws: WebSocket<UserData<T>> | null = null;
  heard = 0;
  /** Cut for being too slow; the gateway hears of the close in the next turn. */
  cutSlow = false;

  constructor(
    readonly data: T,
    readonly remoteAddress: string,
    readonly limits: TransportOptions,
  ) {}

  send(frame: Frame): 'sent' | 'buffered' | 'dropped' | 'closed' {
    if (this.ws !== null && this.cutIfSlow()) return 'dropped';
    if (this.ws === null) return this.cutSlow ? 'dropped' : 'closed';
    return this.ws.send(frame, typeof frame !== 'string', false) === SENT ? 'sent' : 'buffered';
  }

  cork(run: () => void): void {
    if (this.ws === null) run();
    else this.ws.cork(run);
  }

  /** Cuts the connection where more is buffered than allowed. @returns whether it did. */
  cutIfSlow(): boolean {
    if (this.ws === null || this.ws.getBufferedAmount() <= this.limits.maxBufferedBytes) return false;
    this.cutSlow = true;
    this.ws.close();
    return true;
  }

  subscribe(topic: string): void {
    this.ws?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.ws?.unsubscribe(topic);
  }

  bufferedBytes(): number {
    return this.ws?.getBufferedAmount() ?? 0;
  }

  ping(payload: string): void {
    this.ws?.ping(payload);
  }

  close(code: number, reason: string): void {
    this.ws?.end(code, reason);
  }

  terminate(): void {
    this.ws?.close();
  }
}
