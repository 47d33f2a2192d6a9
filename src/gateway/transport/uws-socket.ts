import type { WebSocket } from 'uWebSockets.js';
import type { Frame } from '../../wire/codec.js';
import type { Listener } from './sweep.js';
import type { Socket } from './transport.js';

/** uWS copies these properties onto its own object for the connection. */
export interface UserData<T> {
  socket: UwsSocket<T>;
}

const DROPPED = 2;
const SENT = 1;

/**
 * The only object of ours per connection: thousands of idle ones must cost little, so no closures, sets or maps here.
 * uWS throws on every use after close, hence `ws` is null from then on.
 */
export class UwsSocket<T> implements Socket<T>, Listener {
  ws: WebSocket<UserData<T>> | null = null;
  heard = 0;
  /** Something was dropped: nothing more may be sent, or the peer would see a hole. The library closes it within the turn. */
  doomed = false;

  constructor(
    readonly data: T,
    readonly remoteAddress: string,
  ) {}

  send(frame: Frame): 'sent' | 'buffered' | 'dropped' | 'closed' {
    if (this.ws === null) return 'closed';
    if (this.doomed) return 'dropped';
    const status = this.ws.send(frame, typeof frame !== 'string', false);
    if (status === SENT) return 'sent';
    if (status !== DROPPED) return 'buffered';
    this.doomed = true;
    return 'dropped';
  }

  subscribe(topic: string): void {
    if (this.ws !== null && !this.doomed) this.ws.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.ws?.unsubscribe(topic);
  }

  bufferedBytes(): number {
    return this.ws?.getBufferedAmount() ?? 0;
  }

  ping(payload: string): void {
    if (this.ws !== null && !this.doomed) this.ws.ping(payload);
  }

  close(code: number, reason: string): void {
    this.ws?.end(code, reason);
  }

  terminate(): void {
    this.ws?.close();
  }
}
