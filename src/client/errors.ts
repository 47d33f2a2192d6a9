import type { ErrorCode } from '../wire/codes.js';

/**
 * Why a stream has ended. `code` is the server's (docs/protocol.md), or `closed_NNNN` after a close that says not to come back, `bad_url`,
 * or `http_NNN`.
 */
export class CandlecastError extends Error {
  override readonly name = 'CandlecastError';

  constructor(
    readonly code: ErrorCode | `closed_${number}` | `http_${number}` | 'bad_url',
    message: string,
    /** With `plan_limit`: the plan, and which of its limits. */
    readonly plan?: string,
    readonly limit?: string,
  ) {
    super(message);
  }
}
