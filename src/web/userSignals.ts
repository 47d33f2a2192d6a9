import type { ServerMessage } from '../wire/messages.js';
import type { WireSignal } from '../wire/signals.js';
import { fetchSignals } from './api.js';
import type { Session } from './session.js';

const CHANNEL = 'signals';
const RETRY_MS = 3_000;
/** Kept of one symbol. */
const MOST = 2_000;

interface Link {
  send(message: object): void;
}

/** The user's signals of the symbol on screen: those there are over REST, new ones over the socket. */
export class UserSignals {
  readonly #session: Session;
  readonly #link: Link;
  readonly #onChange: (fresh: WireSignal | null) => void;
  #symbol: string | null = null;
  #known = new Map<string, WireSignal>();
  #seq = 0;
  #loads = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** `onChange` gets the signal that has just come, or null. */
  constructor(session: Session, link: Link, onChange: (fresh: WireSignal | null) => void) {
    this.#session = session;
    this.#link = link;
    this.#onChange = onChange;
  }

  /** Ascending by time. */
  get all(): WireSignal[] {
    return [...this.#known.values()].sort((a, b) => a.seq - b.seq);
  }

  setSymbol(symbol: string | null): void {
    if (symbol === this.#symbol) return;
    this.#symbol = symbol;
    this.#clear();
    void this.#load();
  }

  /** A new connection, or a new user: whose it is comes before anything else that is asked for. */
  async identify(fresh = false): Promise<void> {
    const token = await this.#session.token(fresh);
    if (token === null) return;
    this.#link.send({ op: 'auth', id: CHANNEL, token });
    this.#link.send({ op: 'subscribe', id: CHANNEL, channels: [CHANNEL] });
  }

  /** Nobody is logged in any more. */
  forget(): void {
    clearTimeout(this.#retry);
    this.#clear();
  }

  receive(message: ServerMessage): void {
    if (message.type === 'auth_expiring') void this.#reauth();
    if (message.type === 'error' && message.id === CHANNEL) this.#failed(message.code);
    if (!('channel' in message) || message.channel !== CHANNEL) return;
    if (message.type === 'subscribed') {
      this.#seq = message.seq;
      void this.#load();
    } else if (message.type === 'signal') this.#take([message.signal], message);
    else if (message.type === 'signals') this.#take(message.signals, message);
    else if (message.type === 'unsubscribed') this.#again();
  }

  async #reauth(): Promise<void> {
    const token = await this.#session.token(true);
    if (token !== null) this.#link.send({ op: 'auth', id: CHANNEL, token });
  }

  #failed(code: string): void {
    if (code === 'token_expired') void this.identify(true);
    // A connection that has just gone may still count for the plan.
    else if (code === 'unavailable' || code === 'plan_limit') this.#again();
  }

  #again(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.identify(), RETRY_MS);
  }

  #take(signals: readonly WireSignal[], { prev, seq }: { prev: number; seq: number }): void {
    const missed = prev > this.#seq;
    this.#seq = Math.max(this.#seq, seq);
    const own = signals.filter((signal) => signal.symbol === this.#symbol);
    for (const signal of own) this.#known.set(signal.id, signal);
    if (missed) void this.#load();
    for (const signal of own) this.#onChange(signal);
  }

  async #load(): Promise<void> {
    const load = ++this.#loads;
    const symbol = this.#symbol;
    const token = await this.#session.token();
    if (token === null || symbol === null) return;
    try {
      const signals = await fetchSignals(symbol, token, MOST);
      if (load !== this.#loads) return;
      for (const signal of signals) this.#known.set(signal.id, signal);
      this.#onChange(null);
    } catch {
      if (load === this.#loads) this.#retry = setTimeout(() => void this.#load(), RETRY_MS);
    }
  }

  #clear(): void {
    this.#loads++;
    this.#known = new Map();
    this.#onChange(null);
  }
}
