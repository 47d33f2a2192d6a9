import type { HttpResponse as UwsResponse } from 'uWebSockets.js';
import type { HttpResponse, HttpStream, StreamEvents } from '../../wire/http.js';

/** Handed to uWS at a time once the peer has stopped reading: the rest waits here, where it can be counted. */
const CHUNK_CHARACTERS = 64 * 1024;
/** A comment of the event stream. Writing it tells whether all before it has left. */
const PROBE = ':\n';
/** After shorter texts it is asked whether they left. */
const PROBED_CHARACTERS = 64;

/**
 * An event stream over uWS, which does not say how much it holds back: so nothing more is given to it from the moment in which a
 * write has not left whole. (A corked write tells only with the next one.)
 */
export class UwsStream implements HttpStream {
  events: StreamEvents | null = null;
  #open = true;
  /** What uWS holds back, at most; 0: nothing. */
  #stuckBytes = 0;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #onLeft: (() => void)[] = [];

  constructor(readonly res: UwsResponse) {
    res.onWritable(() => this.#writable());
  }

  write(text: string, onLeft?: () => void): void {
    if (!this.#open) return;
    if (this.#stuckBytes === 0) this.#put(text);
    else {
      this.#waiting.push(text);
      this.#waitingBytes += Buffer.byteLength(text);
    }
    if (onLeft === undefined) return;
    this.#onLeft.push(onLeft);
    if (this.#stuckBytes === 0) setImmediate(() => this.#tellLeft());
  }

  bufferedBytes(): number {
    return this.#open ? this.#stuckBytes + this.#waitingBytes : 0;
  }

  end(): void {
    if (!this.#open) return;
    this.#open = false;
    // A peer that does not read never takes the end.
    if (this.#stuckBytes > 0) this.res.close();
    else this.res.cork(() => this.res.endWithoutBody(undefined, true));
    setImmediate(() => this.events?.closed());
  }

  terminate(): void {
    if (!this.#open) return;
    this.#open = false;
    this.res.close();
    setImmediate(() => this.events?.closed());
  }

  /** uWS has let go of the response. */
  aborted(): void {
    if (!this.#open) return;
    this.#open = false;
    setImmediate(() => this.events?.closed());
  }

  #put(text: string): void {
    let left = this.#write(text);
    if (left && text.length < PROBED_CHARACTERS) left = this.#write(PROBE);
    this.#stuckBytes = left ? 0 : Buffer.byteLength(text);
  }

  /** @returns whether all before it has left. */
  #write(text: string): boolean {
    let left = true;
    this.res.cork(() => {
      left = this.res.write(text);
    });
    return left;
  }

  #writable(): boolean {
    if (!this.#open) return true;
    while (this.#waiting.length > 0) if (!this.#write(this.#takeChunk())) return true;
    if (!this.#write(PROBE)) return true;
    this.#stuckBytes = 0;
    setImmediate(() => {
      if (!this.#open) return;
      this.#tellLeft();
      this.events?.drained();
    });
    return true;
  }

  /** Those of what is stuck again by now wait for the next time. */
  #tellLeft(): void {
    if (!this.#open || this.#stuckBytes > 0) return;
    const left = this.#onLeft;
    this.#onLeft = [];
    for (const tell of left) tell();
  }

  #takeChunk(): string {
    let chunk = '';
    let taken = 0;
    while (taken < this.#waiting.length && chunk.length < CHUNK_CHARACTERS) chunk += this.#waiting[taken++];
    this.#waiting.splice(0, taken);
    const bytes = Buffer.byteLength(chunk);
    this.#waitingBytes -= bytes;
    this.#stuckBytes = bytes;
    return chunk;
  }
}

/** Must run corked, after the headers. */
export function openStream(res: UwsResponse, open: NonNullable<HttpResponse['stream']>): UwsStream {
  // The head leaves with the first write.
  res.write(PROBE);
  const stream = new UwsStream(res);
  stream.events = open(stream);
  return stream;
}
