import type { Position } from '../market/position.js';
import type { WireSignal } from '../wire/signals.js';

/** A signal as the feed gives it. Times are epoch ms. */
export interface FeedSignal {
  readonly id: string;
  /** Place among the user's signals. */
  readonly seq: number;
  readonly type: string;
  readonly symbol: string;
  readonly data: WireSignal['data'];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly source: WireSignal['source'];
  readonly ruleId: string | null;
  readonly corrects: string | null;
}

export interface SignalPage {
  readonly signals: readonly FeedSignal[];
  /** Everything up to here was in this page or an earlier one. */
  readonly position: Position;
}

/** What is new of a user, in the order of `seq`, each once; `position` is where the channel stands after it. */
export type SignalListener = (news: readonly { readonly signal: FeedSignal }[], position: Position) => void;

/** The signals of users. What rejects with an error named SignalsUnavailable may be tried again later. */
export interface SignalFeed {
  /** Of the user's newest signal; seq 0: there is none. */
  head(userId: string): Promise<Position>;
  /** Everything after `seq` that has not expired, ascending, in pages; ends with a page whose `position` is where it got to. */
  since(userId: string, seq: number): AsyncIterable<SignalPage>;
  /** Everything after `position` comes to the listener. */
  follow(userId: string, listener: SignalListener): Promise<{ readonly position: Position; stop(): void }>;
  /** @returns what is stored now: never less than before. */
  ack(userId: string, device: string, seq: number): Promise<number>;
  /** 0: none. */
  acked(userId: string, device: string): Promise<number>;
  /** false: what is new may come late. */
  readonly up: boolean;
  onUp(listener: (up: boolean) => void): () => void;
}

export function toWireSignal(signal: FeedSignal): WireSignal {
  const { id, seq, type, symbol, data, createdAt, expiresAt, source, ruleId, corrects } = signal;
  return {
    ...{ id, seq, type, symbol, data, createdAt, expiresAt, source },
    ...(ruleId === null ? {} : { rule: ruleId }),
    ...(corrects === null ? {} : { corrects }),
  };
}

export function isSignalsUnavailable(error: unknown): boolean {
  return error instanceof Error && error.name === 'SignalsUnavailable';
}
