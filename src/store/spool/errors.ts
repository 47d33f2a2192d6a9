/** The spool holds as much as it may: the database has been away for too long. Nothing of the append was kept. */
export class SpoolFullError extends Error {
  override readonly name: string = 'SpoolFullError';
  constructor(
    readonly usedBytes: number,
    readonly maxBytes: number,
  ) {
    super(`the spool is full: ${usedBytes} of ${maxBytes} bytes wait for the database`);
  }
}

/** The disk refused a write or a sync; `cause` is its error. The append is not durable; a later one may succeed. */
export class SpoolWriteError extends Error {
  override readonly name: string = 'SpoolWriteError';
  constructor(file: string, cause: unknown) {
    super(`cannot write the spool at ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** The spool was used before `start` or after `stop`. */
export class SpoolClosedError extends Error {
  override readonly name: string = 'SpoolClosedError';
  constructor() {
    super('the spool is not open');
  }
}
