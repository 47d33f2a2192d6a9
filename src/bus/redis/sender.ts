import type { Redis } from 'ioredis';
import type { Clock } from '../../kit/clock.js';
import type { DurationHistogram } from '../../kit/histogram.js';
import { resetConnection } from '../../kit/redis.js';
import type { Command } from './commands.js';
import type { ChannelNames } from './names.js';
import { loadScripts } from './scripts.js';

/** `code` is what the script answered, one of scripts.ts. */
export type Reply = (outcome: { readonly code: number } | { readonly error: Error }) => void;

interface Line {
  readonly names: ChannelNames;
  readonly command: Command;
  readonly reply: Reply;
}

/** Commands a write. */
const PIPELINE = 128;
/**
 * A command that is not answered within a second counts as lost, with its connection. A closed candle is up to 0.1 ms of
 * Redis' time: what is under way is a fraction of that second, also where Redis gets only a part of a core.
 */
const IN_FLIGHT_COMMANDS = 1024;
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;

/** Puts commands on the connections of Redis in pipelines, and tells how each went. What it has under way is bounded. */
export class Sender {
  commands = 0;
  bytes = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  readonly #lines = new Map<Redis, Line[]>();
  readonly #onDone: () => void;
  readonly #durations: DurationHistogram;
  readonly #clock: Clock;

  /** `onDone`: some replies came, so there may be room again. `durations`: counted into. */
  constructor(onDone: () => void, durations: DurationHistogram, clock: Clock) {
    this.#onDone = onDone;
    this.#durations = durations;
    this.#clock = clock;
  }

  get hasRoom(): boolean {
    return this.#inFlight < IN_FLIGHT_COMMANDS && this.#inFlightBytes < IN_FLIGHT_BYTES;
  }

  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /** Goes out with the next `flush`, after what was added before. */
  add(node: Redis, names: ChannelNames, command: Command, reply: Reply): void {
    this.#inFlight++;
    this.#inFlightBytes += command.bytes;
    const line = { names, command, reply };
    const lines = this.#lines.get(node);
    if (lines) lines.push(line);
    else this.#lines.set(node, [line]);
  }

  flush(): void {
    for (const [node, lines] of this.#lines)
      for (let i = 0; i < lines.length; i += PIPELINE) void this.#send(node, lines.slice(i, i + PIPELINE));
    this.#lines.clear();
  }

  async #send(node: Redis, lines: readonly Line[]): Promise<void> {
    const pipeline = node.pipeline();
    for (const { names, command } of lines) {
      pipeline.evalsha(command.script.sha, 3, names.window, names.state, names.open, ...command.args);
      this.bytes += command.bytes;
    }
    this.commands += lines.length;
    const sent = this.#clock.now();
    const results = (await pipeline.exec()) ?? [];
    this.#durations.observe(this.#clock.now() - sent);
    await this.#repair(node, results);
    lines.forEach(({ command, reply }, i) => {
      this.#inFlight--;
      this.#inFlightBytes -= command.bytes;
      const [error, code] = results[i] ?? [new Error('no reply'), null];
      reply(error === null ? { code: Number(code) } : { error });
    });
    this.#onDone();
  }

  async #repair(node: Redis, results: readonly [Error | null, unknown][]): Promise<void> {
    const says = (text: string) => results.some(([error]) => error?.message.includes(text));
    if (says('timed out')) resetConnection(node);
    // Whoever is told of the failure finds the scripts there.
    if (says('NOSCRIPT')) await loadScripts(node).catch(() => {});
  }
}
