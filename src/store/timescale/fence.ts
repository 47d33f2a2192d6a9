import { join } from 'node:path';
import type { Log } from '../../kit/log.js';
import type { SpoolRecord } from '../spool/record.js';
import { FENCED, QUARANTINE_FILE, quarantine } from './quarantine.js';

/** Records whose writer was superseded: they can never be written, and are put aside so that they do not vanish unseen. */
export class Fence {
  readonly #directory: string;
  readonly #log: Log;
  readonly #onFenced: (epoch: number) => void;
  readonly #refused = new Set<number>();
  #rows = 0;

  /** @param onFenced called once for each epoch that is refused. */
  constructor(directory: string, log: Log, onFenced: (epoch: number) => void) {
    this.#directory = directory;
    this.#log = log;
    this.#onFenced = onFenced;
  }

  get rows(): number {
    return this.#rows;
  }

  /** An epoch that was refused once is never current again. */
  refuses(epoch: number): boolean {
    return this.#refused.has(epoch);
  }

  /** The database said that these epochs are not current; `records` are those of the statement. */
  note(epochs: readonly number[], records: readonly SpoolRecord[]): void {
    for (const epoch of epochs) {
      if (this.#refused.has(epoch)) continue;
      this.#refused.add(epoch);
      const count = records.filter((record) => record.epoch === epoch).length;
      this.#log.error(
        { epoch, records: count, path: join(this.#directory, QUARANTINE_FILE) },
        'another writer has taken over: records of this epoch are refused, and put aside from now on',
      );
      this.#onFenced(epoch);
    }
  }

  async putAside(records: readonly SpoolRecord[]): Promise<void> {
    if (records.length === 0) return;
    await quarantine(this.#directory, records, ({ epoch }) => `${FENCED}epoch ${epoch} is not the current writer`);
    this.#rows += records.length;
  }
}
