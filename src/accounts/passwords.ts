import { availableParallelism } from 'node:os';
import { hash, type Options, verify } from '@node-rs/argon2';
import { AccountError } from './errors.js';
import { newSecret } from './secrets.js';

export const PASSWORD_MIN = 10;
export const PASSWORD_MAX = 128;
export const PASSWORD_RULE = `a password must have ${PASSWORD_MIN} to ${PASSWORD_MAX} characters and not be the email address`;

/** Argon2id at OWASP's minimum: 19 MiB, two passes, one lane. `2` is Argon2id; the package's const enum cannot be imported. */
const COST: Options = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const ARGON2ID = '$argon2id$';
const BUSY_RETRY_MS = 2000;
const DEFAULT_WAITING = 64;

export interface PasswordsOptions {
  /** Computations at a time. Default: half the processors, two at most, since they share the thread pool with the disk. */
  readonly concurrency?: number;
  /** How many may wait for their turn; more are refused. Default 64. */
  readonly waiting?: number;
}

export interface PasswordStats {
  /** Passwords hashed and verified, unknown accounts included. */
  readonly hashed: number;
  readonly verified: number;
  /** Refused since the queue was full. */
  readonly refused: number;
  readonly running: number;
  readonly waiting: number;
}

/** Hashes passwords, a few at a time: however many log in at once, the rest of the process keeps its processors. */
export class Passwords {
  readonly #concurrency: number;
  readonly #maxWaiting: number;
  readonly #queue: (() => void)[] = [];
  #running = 0;
  #hashed = 0;
  #verified = 0;
  #refused = 0;
  #decoy: Promise<string> | null = null;

  constructor(options: PasswordsOptions = {}) {
    this.#concurrency = options.concurrency ?? Math.max(1, Math.min(2, Math.floor(availableParallelism() / 2)));
    this.#maxWaiting = options.waiting ?? DEFAULT_WAITING;
  }

  /** Makes what unknown accounts are verified against, so that the first of them takes no longer. */
  async prepare(): Promise<void> {
    await this.#decoyHash();
  }

  /** In the PHC format. @throws AccountError busy */
  hash(password: string): Promise<string> {
    this.#hashed++;
    return this.#inTurn(() => hash(normal(password), COST));
  }

  /** Does the same work where there is no hash, or one of no kind that we make. @throws AccountError busy */
  async verify(stored: string | null, password: string): Promise<boolean> {
    const known = stored?.startsWith(ARGON2ID) === true ? stored : null;
    const against = known ?? (await this.#decoyHash());
    this.#verified++;
    const matches = await this.#inTurn(() => verify(against, normal(password)).catch(() => false));
    return matches && known !== null;
  }

  stats(): PasswordStats {
    const counts = { hashed: this.#hashed, verified: this.#verified, refused: this.#refused };
    return { ...counts, running: this.#running, waiting: this.#queue.length };
  }

  #decoyHash(): Promise<string> {
    this.#decoy ??= hash(newSecret(), COST);
    return this.#decoy;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    await this.#turn();
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < this.#concurrency) {
      this.#running++;
      return;
    }
    if (this.#queue.length >= this.#maxWaiting) {
      this.#refused++;
      throw new AccountError('busy', 'too many people log in at this moment', BUSY_RETRY_MS);
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  /** The turn is handed on without being given back in between. */
  #next(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}

/** @throws AccountError weak_password */
export function checkPassword(password: string, email: string): void {
  const { length } = [...normal(password)];
  if (length < PASSWORD_MIN || length > PASSWORD_MAX || password.toLowerCase() === email)
    throw new AccountError('weak_password', PASSWORD_RULE);
}

/** One password typed on different keyboards. */
function normal(password: string): string {
  return password.normalize('NFKC');
}
