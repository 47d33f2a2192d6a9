import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { between, pick, type Random } from './random.js';

/** What is published by one request, by users' ids and the number that the data of each signal carries. */
interface Request {
  readonly body: object;
  readonly users: readonly string[];
  readonly number: number;
}

export interface PublisherOptions {
  /** API key of a publisher. */
  readonly key: string;
  /** Of everybody there is: "all" reaches those who publish as well. */
  readonly everybody: readonly string[];
  /** To whom single signals and lists go. */
  readonly users: readonly string[];
  readonly ports: readonly number[];
  readonly random: Random;
}

export interface Slice {
  readonly singles: number;
  /** Requests of `bulkSize` signals each. */
  readonly bulks: number;
  readonly bulkSize: number;
  readonly toAll: number;
}

const AT_A_TIME = 8;
const ANSWER_MS = 20_000;
const RETRY_MAX_MS = 200;
/** Of what was accepted and is sent once more, as if the answer had been lost. */
const REPEATED = 0.1;

/**
 * Publishes over HTTP to any node, each request under a key of its own, and sends what was not answered again, to another. Some of
 * what was answered is sent again as well.
 */
export class Publisher {
  /** `user number` of everything that was accepted. */
  readonly expected = new Set<string>();
  readonly faults: string[] = [];
  /** Requests that were sent again. */
  retries = 0;
  readonly #options: PublisherOptions;
  #number = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** In a random order, some at a time. Resolves when everything is accepted. */
  async run({ singles, bulks, bulkSize, toAll }: Slice): Promise<void> {
    const requests = [
      ...Array.from({ length: singles }, () => this.#single()),
      ...Array.from({ length: bulks }, (_, i) => (i % 2 === 0 ? this.#list(bulkSize) : this.#bulk(bulkSize))),
      ...Array.from({ length: toAll }, () => this.#toAll()),
    ];
    for (let i = requests.length - 1; i > 0; i--) {
      const j = Math.floor(this.#options.random() * (i + 1));
      const [a, b] = [requests[i], requests[j]];
      if (a !== undefined && b !== undefined) [requests[i], requests[j]] = [b, a];
    }
    const lane = async () => {
      for (let request = requests.pop(); request !== undefined; request = requests.pop()) await this.#publish(request);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  }

  #single(): Request {
    const [number, user] = [++this.#number, pick(this.#options.random, this.#options.users)];
    return { body: { ...content(number, { user }), to: user }, users: [user], number };
  }

  /** One signal for some users. */
  #list(size: number): Request {
    const number = ++this.#number;
    const users = this.#some(size);
    return { body: { ...content(number), to: users }, users, number };
  }

  /** A signal of its own for each of some users. */
  #bulk(size: number): Request {
    const number = ++this.#number;
    const users = this.#some(size);
    return { body: { signals: users.map((user) => ({ ...content(number, { user }), to: user })) }, users, number };
  }

  #toAll(): Request {
    const number = ++this.#number;
    return { body: { ...content(number), to: 'all' }, users: this.#options.everybody, number };
  }

  #some(size: number): string[] {
    const { users, random } = this.#options;
    const from = Math.floor(random() * users.length);
    return Array.from({ length: Math.min(size, users.length) }, (_, i) => users[(from + i) % users.length] ?? '');
  }

  async #publish({ body, users, number }: Request): Promise<void> {
    const { ports, random } = this.#options;
    const key = randomUUID();
    const text = JSON.stringify(body);
    let port = pick(random, ports);
    for (;;) {
      const refusal = await this.#post(port, key, text);
      if (refusal === null) break;
      if (refusal !== 'again') {
        if (this.faults.length < 10) this.faults.push(refusal);
        return;
      }
      this.retries++;
      await pause(between(random, 0, RETRY_MAX_MS));
      port = pick(
        random,
        ports.filter((other) => other !== port || ports.length === 1),
      );
    }
    for (const user of users) this.expected.add(`${user} ${number}`);
    if (random() >= REPEATED) return;
    const again = await this.#post(pick(random, ports), key, text);
    if (again !== null && again !== 'again') this.faults.push(`sent again: ${again}`);
  }

  /** @returns null: accepted; 'again': not now; else what is wrong. */
  async #post(port: number, key: string, body: string): Promise<string | null> {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${this.#options.key}`,
      'idempotency-key': key,
    };
    let status: number;
    let text: string;
    try {
      const url = `http://127.0.0.1:${port}/v1/signals`;
      const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(ANSWER_MS) });
      status = response.status;
      text = await response.text();
    } catch {
      return 'again';
    }
    if (status === 503) return 'again';
    if (status !== 200 && status !== 201) return `${status} ${text.slice(0, 300)}`;
    const { refused = 0 } = JSON.parse(text) as { refused?: number | readonly unknown[] };
    return refused === 0 || (typeof refused === 'object' && refused.length === 0) ? null : text.slice(0, 300);
  }
}

function content(number: number, more: object = {}) {
  return {
    type: 'breakout',
    symbol: 'AAA',
    data: { n: number, price: '8321.50000000', note: 'closed above the range', ...more },
  };
}
