/** Replaces every occurrence of a byte string in a stream by one of the same length, also across chunks. */
export class Rewriter {
  #held: Buffer = Buffer.alloc(0);

  /** @throws RangeError when the lengths differ: the stream's own lengths would no longer be true. */
  constructor(
    private readonly find: Buffer,
    private readonly by: Buffer,
  ) {
    if (find.length !== by.length || find.length === 0) throw new RangeError('both must have the same length, not 0');
  }

  /** @returns what can be passed on; the start of a possible match at the end is held back. */
  push(chunk: Buffer): Buffer {
    const bytes = Buffer.concat([this.#held, chunk]);
    for (let at = bytes.indexOf(this.find); at >= 0; at = bytes.indexOf(this.find, at + this.find.length)) {
      this.by.copy(bytes, at);
    }
    const keep = this.#partialMatch(bytes);
    this.#held = bytes.subarray(bytes.length - keep);
    return bytes.subarray(0, bytes.length - keep);
  }

  /** What was held back, when nothing follows it. */
  flush(): Buffer {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    return held;
  }

  #partialMatch(bytes: Buffer): number {
    for (let length = Math.min(this.find.length - 1, bytes.length); length > 0; length--) {
      if (bytes.subarray(bytes.length - length).equals(this.find.subarray(0, length))) return length;
    }
    return 0;
  }
}
