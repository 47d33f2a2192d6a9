import type { ServerResponse } from 'node:http';
import type { HttpResponse, HttpStream, StreamEvents } from '../../wire/http.js';

/** An event stream over node:http. */
class NodeStream implements HttpStream {
  events: StreamEvents | null = null;
  #open = true;

  constructor(readonly res: ServerResponse) {
    // Comes later than the calls that cause it.
    res.once('close', () => this.#closed());
  }

  write(text: string, onLeft?: () => void): void {
    if (this.#open) this.res.write(text, (error) => this.#left(error ?? null, onLeft));
  }

  bufferedBytes(): number {
    return this.#open ? this.res.writableLength : 0;
  }

  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.res.end();
    // What the kernel does not take at once is for a peer that does not read, and never takes the end.
    setImmediate(() => {
      if (!this.res.writableFinished) this.res.destroy();
    });
  }

  terminate(): void {
    this.#open = false;
    this.res.destroy();
  }

  #left(error: Error | null, onLeft?: () => void): void {
    if (!this.#open || error !== null) return;
    onLeft?.();
    this.events?.drained();
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
