/** Well within the server's limits: 20 messages a second, 200 at once, 4096 bytes and 200 channels each. */
const MESSAGES_PER_SECOND = 15;
const BURST = 100;
const MESSAGE_BYTES = 3_500;
const CHANNELS = 200;
const PENALTY_MS = 2_000;

export type Message = Readonly<Record<string, unknown>>;

/** Messages in order, no faster than the server takes them. */
export class Outbox {
  readonly #send: (message: Message) => void;
  #queue: Message[] = [];
  #tokens = BURST;
  #tokensAt = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (message: Message) => void) {
    this.#send = send;
  }

  add(message: Message): void {
    this.#queue.push(message);
    if (this.#timer === undefined) this.#drain();
  }

  /** The server has said that it was too much. */
  slowDown(): void {
    this.#tokens = Math.min(this.#tokens, (-MESSAGES_PER_SECOND * PENALTY_MS) / 1000);
  }

  /** For a new connection. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queue = [];
    this.#tokens = BURST;
    this.#tokensAt = performance.now();
  }

  #drain(): void {
    const now = performance.now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#tokensAt) * MESSAGES_PER_SECOND) / 1000);
    this.#tokensAt = now;
    for (; this.#tokens >= 1 && this.#queue.length > 0; this.#tokens--) this.#send(this.#queue.shift() as Message);
    if (this.#queue.length === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#drain();
      },
      ((1 - this.#tokens) * 1000) / MESSAGES_PER_SECOND,
    );
  }
}

/** In parts that fit into a message each. */
export function batches<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const size = JSON.stringify(item).length + 1;
    const part = parts.at(-1);
    if (part === undefined || bytes + size > MESSAGE_BYTES || part.length >= CHANNELS) {
      parts.push([item]);
      bytes = size;
    } else {
      part.push(item);
      bytes += size;
    }
  }
  return parts;
}
