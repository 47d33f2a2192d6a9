import type { ServerResponse } from 'node:http';
import type { HttpResponse, HttpStream, StreamEvents } from '../../wire/http.js';

/** An event stream over node:http. */
class NodeStream implements HttpStream {
  events: StreamEvents | null = null;
  #open = true;
  #stuck = false;

  constructor(readonly res: ServerResponse) {
    // Comes later than the calls that cause it.
    res.once('close', () => this.#closed());
  }

  write(text: string): void {
    if (!this.#open) return;
    this.res.write(text, () => this.#written());
    if (this.bufferedBytes() > 0) this.#stuck = true;
  }

  bufferedBytes(): number {
    return this.#open ? this.res.writableLength : 0;
  }

  end(): void {
    if (!this.#open) return;
    this.#open = false;
    // A peer that does not read never takes the end.
    if (this.#stuck) this.res.destroy();
    else this.res.end();
  }

  terminate(): void {
    this.#open = false;
    this.res.destroy();
  }

  #written(): void {
    if (!this.#open || !this.#stuck || this.bufferedBytes() > 0) return;
    this.#stuck = false;
    setImmediate(() => {
      if (this.#open) this.events?.drained();
    });
  }

  #closed(): void {
    this.#open = false;
    this.events?.closed();
  }
}

/** The head must not have been sent. */
export function openStream(res: ServerResponse, open: NonNullable<HttpResponse['stream']>): void {
  res.flushHeaders();
  const stream = new NodeStream(res);
  stream.events = open(stream);
}
