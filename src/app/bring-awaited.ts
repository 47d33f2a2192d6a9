import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import type { SpoolRecord } from '../store/spool/record.js';
import { awaitedEpochs, putAwaited } from '../store/timescale/awaited.js';
import type { Database } from '../store/timescale/database.js';
import { FENCED, QUARANTINE_FILE } from '../store/timescale/quarantine.js';
import { atMost } from './at-most.js';

/** One look at an index of a few rows; the file is read where something in it may be awaited only. */
const LOOK_EVERY_MS = 10_000;
const BATCH = 1000;
/** A database that does not answer keeps nobody from stopping: what is not in yet is brought after the next start. */
const STOP_MS = 500;

export interface BringAwaitedOptions {
  /** That of the quarantine. */
  readonly directory: string;
  readonly readers: Database;
  /** Makes longer intervals show what was written in [fromMs, toMs). */
  readonly refresh: (fromMs: number, toMs: number) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Brings what this node had closed before another took over and could not write, from its quarantine into the table, where the
 * new owner awaits it. The file stays as it is.
 */
export class BringAwaited implements Service {
  readonly name = 'awaited candles';
  readonly #options: BringAwaitedOptions;
  readonly #path: string;
  #stopTicking: () => void = () => {};
  #looking: Promise<void> | null = null;
  #seen = '';
  #stopped = false;

  constructor(options: BringAwaitedOptions) {
    this.#options = options;
    this.#path = join(options.directory, QUARANTINE_FILE);
  }

  async start(): Promise<void> {
    this.#stopTicking = this.#options.clock.every(LOOK_EVERY_MS, () => this.#look());
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTicking();
    if (this.#looking !== null) await atMost(STOP_MS, this.#options.clock, this.#looking);
  }

  #look(): void {
    if (this.#looking !== null || this.#stopped) return;
    this.#looking = this.bring()
      .catch((error: unknown) => this.#options.log.debug({ err: error }, 'awaited candles could not be brought'))
      .finally(() => {
        this.#looking = null;
      });
  }

  /** Resolves when everything that is awaited and here is in the table. */
  async bring(): Promise<void> {
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size === 0) return;
    const { readers, refresh, log } = this.#options;
    const epochs = await readers.run(awaitedEpochs);
    const seen = `${size} ${[...epochs].join()}`;
    if (epochs.size === 0 || seen === this.#seen) return;
    for await (const records of awaitedOf(this.#path, epochs)) {
      if (this.#stopped) return;
      const written = await readers.run((sql) => putAwaited(sql, records));
      if (written === null) continue;
      await refresh(written.from, written.to);
      const { from, to, candles } = written;
      log.info({ candles, from, to }, 'candles that were awaited have come into the database from the quarantine');
    }
    this.#seen = seen;
  }
}

async function* awaitedOf(path: string, epochs: ReadonlySet<number>): AsyncGenerator<SpoolRecord[]> {
  let batch: SpoolRecord[] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    const record = toRecord(line);
    if (record === null || !epochs.has(record.epoch)) continue;
    if (batch.push(record) < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** @returns null for a line that was cut short, and for what was refused for another reason than its writer. */
function toRecord(line: string): SpoolRecord | null {
  try {
    const { reason, ...record } = JSON.parse(line) as SpoolRecord & { readonly reason: string };
    return reason.startsWith(FENCED) ? record : null;
  } catch {
    return null;
  }
}
