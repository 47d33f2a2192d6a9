import type { ChainableCommander, Redis } from 'ioredis';
import { LATEST } from '../cache.js';
import type { StoredSignal } from '../signal.js';
import { encodeElements, LATEST_SECONDS, PREPEND, PREPEND_SHA } from './latest.js';

interface Batch {
  readonly pipeline: ChainableCommander;
  /** Places of the hints among the commands. */
  readonly hints: number[];
  commands: number;
  length: number;
}

/** Above this a Redis that is slow gets no more. */
const MAX_UNANSWERED_LENGTH = 16 * 1024 * 1024;

/** Best effort: without it the cache is not written before the next connection. */
export function loadScript(node: Redis): void {
  node.script('LOAD', PREPEND).catch(() => {});
}

/** Commands that nobody waits for, in one pipeline a node. What is not answered yet is bounded. */
export class Outbox {
  readonly #stats: { published: number; lost: number };
  readonly #batches = new Map<Redis, Batch>();
  #unanswered = 0;

  constructor(stats: { published: number; lost: number }) {
    this.#stats = stats;
  }

  get isFull(): boolean {
    return this.#unanswered > MAX_UNANSWERED_LENGTH;
  }

  /** @returns whether there is a node to send to */
  publish(node: Redis | null, channel: string, text: string, sharded: boolean): boolean {
    const batch = this.#batch(node, text.length);
    if (batch === null) return false;
    batch.hints.push(batch.commands++);
    if (sharded) batch.pipeline.spublish(channel, text);
    else batch.pipeline.publish(channel, text);
    return true;
  }

  /** To the cached latest ones; `before`: seq before the first of `signals`. */
  prepend(node: Redis | null, key: string, before: number, signals: readonly StoredSignal[]): void {
    const elements = encodeElements(signals);
    const batch = this.#batch(node, elements.length);
    if (batch === null) return;
    batch.commands++;
    batch.pipeline.evalsha(PREPEND_SHA, 1, key, String(before), elements, String(LATEST), String(LATEST_SECONDS));
  }

  flush(): void {
    for (const [node, batch] of this.#batches) void this.#run(node, batch);
    this.#batches.clear();
  }

  #batch(node: Redis | null, length: number): Batch | null {
    if (node === null) return null;
    const batch = this.#batches.get(node) ?? { pipeline: node.pipeline(), hints: [], commands: 0, length: 0 };
    this.#batches.set(node, batch);
    batch.length += length;
    return batch;
  }

  async #run(node: Redis, { pipeline, hints, length }: Batch): Promise<void> {
    this.#unanswered += length;
    const results = await pipeline.exec().catch(() => null);
    this.#unanswered -= length;
    const failed = hints.filter((place) => results === null || (results[place]?.[0] ?? null) !== null).length;
    this.#stats.lost += failed;
    this.#stats.published += hints.length - failed;
    if (results?.some(([error]) => error?.message.startsWith('NOSCRIPT'))) loadScript(node);
  }
}
