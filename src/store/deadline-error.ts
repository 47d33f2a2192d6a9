/** No answer within the deadline; the connections were given up. */
export class DeadlineError extends Error {
  override readonly name: string = 'DeadlineError';
  readonly code = 'NO_ANSWER';

  constructor(deadlineMs: number, cause?: unknown) {
    super(`the database did not answer within ${deadlineMs} ms`, { cause });
  }
}
