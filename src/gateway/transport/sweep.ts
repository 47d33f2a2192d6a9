import type { Clock } from '../../kit/clock.js';

/** Beats in one idle time: a silent peer is cut between 1 and 1 + 1/BEATS times the idle time. */
const BEATS = 8;

export interface Listener {
  /** Beat at which something last came from the peer. */
  heard: number;
  terminate(): void;
}

/**
 * Cuts peers that have gone silent. Marking costs one store of an integer per inbound frame and no timer per connection.
 * The libraries' own idle timers do not serve: they also count what we send, which proves nothing about the peer.
 */
export class IdleSweep {
  beat = 0;
  readonly #sockets: Iterable<Listener>;
  readonly #stop: () => void;

  constructor(sockets: Iterable<Listener>, idleTimeoutMs: number, clock: Clock) {
    this.#sockets = sockets;
    this.#stop = clock.every(Math.ceil(idleTimeoutMs / BEATS), () => this.#sweep());
  }

  stop(): void {
    this.#stop();
  }

  #sweep(): void {
    this.beat++;
    const oldest = this.beat - BEATS;
    for (const socket of this.#sockets) if (socket.heard < oldest) socket.terminate();
  }
}
