import { HEADER_BYTES, type Message } from './wire.js';

/** Cuts a client's byte stream into messages. Bytes of an unfinished message are kept as chunks, joined once. */
export class Framer {
  private chunks: Buffer[] = [];
  private buffered = 0;

  /** Bytes waiting for the rest of their message. */
  get pendingBytes(): number {
    return this.buffered;
  }

  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
  }

  /** The next whole start-up packet (a length, then a body), without its length; null when it is not all there. */
  nextStartup(maxBytes: number): Buffer | null {
    const head = this.peek(4);
    if (head === null) return null;
    const length = head.readInt32BE(0);
    if (length < 8 || length > maxBytes) throw new RangeError(`a start-up packet of ${length} bytes`);
    return this.take(length)?.subarray(4) ?? null;
  }

  /** The next whole message; null when it is not all there. Throws RangeError at a length that cannot be. */
  next(maxBytes: number): Message | null {
    const head = this.peek(HEADER_BYTES);
    if (head === null) return null;
    const length = head.readInt32BE(1);
    if (length < 4 || length > maxBytes)
      throw new RangeError(`a message of ${length} bytes (the limit is ${maxBytes})`);
    const bytes = this.take(1 + length);
    return bytes === null ? null : { type: bytes.readUInt8(0), bytes };
  }

  private peek(count: number): Buffer | null {
    if (this.buffered < count) return null;
    const first = this.chunks[0];
    return first !== undefined && first.length >= count ? first : this.join();
  }

  private take(count: number): Buffer | null {
    if (this.buffered < count) return null;
    const first = this.chunks[0];
    const whole = first !== undefined && first.length >= count ? first : this.join();
    const rest = whole.subarray(count);
    if (rest.length > 0) this.chunks[0] = rest;
    else this.chunks.shift();
    this.buffered -= count;
    return whole.subarray(0, count);
  }

  private join(): Buffer {
    const whole = Buffer.concat(this.chunks);
    this.chunks = [whole];
    return whole;
  }
}
