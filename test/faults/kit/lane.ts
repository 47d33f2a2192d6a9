import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Rewriter } from './rewrite.js';

/** What happens to the bytes of one direction. Changed live; `null` = nothing special. */
export interface LaneRules {
  latencyMs: number;
  bytesPerSecond: number | null;
  /** Bytes are held, and pass when it ends. */
  blackhole: boolean;
  /** The connection is reset when so many more bytes have passed on it. */
  cutAfterBytes: number | null;
  /** The byte so far ahead is inverted, once. */
  corruptAtByte: number | null;
  replace: { readonly find: Buffer; readonly by: Buffer } | null;
}

export function plainRules(): LaneRules {
  return {
    latencyMs: 0,
    bytesPerSecond: null,
    blackhole: false,
    cutAfterBytes: null,
    corruptAtByte: null,
    replace: null,
  };
}

/** Above this the sender feels it. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** Bytes that look like the start of what is replaced are passed on when nothing follows for so long. */
const FLUSH_MS = 5;
const SLICE_BYTES = 16 * 1024;

/** One direction of one proxied connection. */
export class Lane {
  readonly #queue: { bytes: Buffer; due: number }[] = [];
  #queued = 0;
  #ended = false;
  #pumping = false;
  #wake: (() => void) | null = null;
  #rewriter: { readonly rule: LaneRules['replace']; readonly rewriter: Rewriter } | null = null;
  #flush: NodeJS.Timeout | null = null;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly rules: LaneRules,
    private readonly cut: () => void,
  ) {
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => {
      this.#ended = true;
      this.changed();
    });
  }

  /** The rules have changed. */
  changed(): void {
    this.#wake?.();
    void this.#pump();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rewritten(chunk);
    if (bytes.length === 0) return;
    this.#queue.push({ bytes, due: performance.now() + this.rules.latencyMs });
    this.#queued += bytes.length;
    if (this.#queued > HIGH_WATER_BYTES) this.from.pause();
    void this.#pump();
  }

  #rewritten(chunk: Buffer): Buffer {
    const rule = this.rules.replace;
    if (rule === null) return chunk;
    if (this.#rewriter?.rule !== rule) this.#rewriter = { rule, rewriter: new Rewriter(rule.find, rule.by) };
    const { rewriter } = this.#rewriter;
    if (this.#flush !== null) clearTimeout(this.#flush);
    const bytes = rewriter.push(chunk);
    this.#flush = setTimeout(() => {
      const held = rewriter.flush();
      if (held.length === 0) return;
      this.#queue.push({ bytes: held, due: performance.now() });
      this.#queued += held.length;
      void this.#pump();
    }, FLUSH_MS);
    return bytes;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (;;) {
      if (this.to.destroyed) break;
      if (this.rules.blackhole) await this.#change();
      else if (!(await this.#passOne())) break;
    }
    this.#pumping = false;
  }

  /** @returns false when there is nothing to do. */
  async #passOne(): Promise<boolean> {
    const head = this.#queue[0];
    if (head === undefined) {
      if (this.#ended && !this.to.writableEnded) this.to.end();
      return false;
    }
    const waitMs = head.due - performance.now();
    if (waitMs > 0) {
      await pause(waitMs);
      return true;
    }
    const slice = head.bytes.subarray(0, SLICE_BYTES);
    head.bytes = head.bytes.subarray(slice.length);
    if (head.bytes.length === 0) this.#queue.shift();
    await this.#send(slice);
    return true;
  }

  async #send(slice: Buffer): Promise<void> {
    this.#queued -= slice.length;
    if (this.#queued < HIGH_WATER_BYTES) this.from.resume();
    const allowed = this.#spend(slice);
    if (allowed.length > 0) await new Promise<void>((sent) => this.to.write(allowed, () => sent()));
    // In the turn of the write itself, Node would send a FIN.
    if (this.rules.cutAfterBytes === 0) setImmediate(this.cut);
    const { bytesPerSecond } = this.rules;
    if (bytesPerSecond !== null) await pause((slice.length / bytesPerSecond) * 1000);
  }

  /** Applies what counts bytes. */
  #spend(slice: Buffer): Buffer {
    const { rules } = this;
    let bytes = slice;
    if (rules.corruptAtByte !== null) {
      const at = rules.corruptAtByte;
      rules.corruptAtByte = at >= bytes.length ? at - bytes.length : null;
      if (at < bytes.length) {
        bytes = Buffer.from(bytes);
        bytes[at] = ~(bytes[at] ?? 0) & 0xff;
      }
    }
    if (rules.cutAfterBytes !== null) {
      bytes = bytes.subarray(0, rules.cutAfterBytes);
      rules.cutAfterBytes -= bytes.length;
    }
    return bytes;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.to.destroyed) resolve();
      this.to.once('close', resolve);
    });
  }
}
