import type { ServerMessage } from '../wire/messages.js';
import { backoffMs } from './backoff.js';
import { CandlecastError } from './errors.js';
import type { TokenProvider } from './types.js';

export const AUTH_ID = 'auth';
const REFRESH_RETRY_MS = 3_000;
const REFUSED: ReadonlySet<string> = new Set(['invalid_token', 'token_expired', 'token_revoked']);

type ErrorMessage = Extract<ServerMessage, { type: 'error' }>;

export interface AuthEvents {
  send(message: object): void;
  /** The connection is the user's. */
  accepted(): void;
  /** To be tried again on another connection. */
  lost(reason: string): void;
  /** Not to be tried again. */
  refused(error: CandlecastError): void;
}

/** The token of one connection: offered, renewed in place before it expires, asked for once more where it is refused. */
export class Auth {
  readonly #source: string | TokenProvider | undefined;
  readonly #events: AuthEvents;
  #accepted = false;
  #renewed = false;
  #ended = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: string | TokenProvider | undefined, events: AuthEvents) {
    this.#source = source;
    this.#events = events;
  }

  /** Asks for the token and sends it. `refresh`: the one before is of no use. */
  async begin(refresh: boolean): Promise<void> {
    if (this.#source === undefined) {
      this.#events.accepted();
      return;
    }
    try {
      const token = typeof this.#source === 'string' ? this.#source : await this.#source({ refresh });
      if (!this.#ended) this.#events.send({ op: 'auth', id: AUTH_ID, token });
    } catch (error) {
      if (this.#ended) return;
      const reason = `no token: ${error instanceof Error ? error.message : String(error)}`;
      if (this.#accepted) this.#later();
      else this.#events.lost(reason);
    }
  }

  authenticated(): void {
    this.#accepted = true;
    this.#renewed = false;
    this.#events.accepted();
  }

  expiring(): void {
    if (typeof this.#source === 'function') void this.begin(true);
  }

  failed({ code, message, plan, limit }: ErrorMessage): void {
    if (REFUSED.has(code) && typeof this.#source === 'function' && !this.#renewed) {
      this.#renewed = true;
      void this.begin(true);
    } else if (REFUSED.has(code)) {
      this.#events.refused(new CandlecastError(code, message, plan, limit));
    } else if (this.#accepted && code !== 'other_user') {
      this.#later();
    } else {
      this.#events.lost(message);
    }
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  /** The token is good for a while yet. */
  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.begin(true), REFRESH_RETRY_MS + backoffMs(0));
  }
}
