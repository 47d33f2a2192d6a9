/** What the connector core needs to know of an exchange; all that differs between exchanges is behind this. */

/** A trade as the venue tells it: every part is text, so that no price passes through a float. `time`: epoch ms. */
export interface RawTrade {
  readonly id: string;
  readonly time: string;
  readonly price: string;
  readonly quantity: string;
  readonly side: string;
}

/**
 * The venue says what its newest trade is. `lastId`: the newest trade as of venue time `untilMs`; null: there was none since
 * `fromMs`. `complete`: the minute that ends at `untilMs` will get no more trades.
 */
export interface Beat {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly lastId: number | null;
  readonly complete: boolean;
}

/** What one frame of a venue's WebSocket says; `native` is the symbol as the venue writes it. */
export type VenueMessage =
  | { readonly kind: 'trade'; readonly native: string; readonly trade: RawTrade }
  | { readonly kind: 'beat'; readonly native: string; readonly beat: Beat }
  /** One of the answers that a subscription waits for. */
  | { readonly kind: 'subscribed' }
  /**
   * A subscription is refused: of `native`, as far as the venue names it. `whole`: and with it that of every symbol of the same
   * message; otherwise it is one of the answers that are waited for.
   */
  | { readonly kind: 'refused'; readonly native: string | null; readonly reason: string; readonly whole: boolean }
  /** This connection is about to be closed by the venue. */
  | { readonly kind: 'closing' };

export interface Subscription {
  readonly text: string;
  /** How many `subscribed` answer it. */
  readonly acks: number;
}

export interface VenueLimits {
  readonly symbolsPerConnection: number;
  readonly symbolsPerSubscribe: number;
  /** Between two messages to the venue. */
  readonly messageEveryMs: number;
  /** The venue cuts a connection after this; null = never. */
  readonly connectionLifeMs: number | null;
  /** Between two REST requests. */
  readonly requestEveryMs: number;
}

/** Fetches a path below the REST base; resolves with the body of a 2xx answer. */
export type Get = (path: string) => Promise<string>;

/**
 * An exchange whose trade ids are continuous for each symbol. Lists ascend by id. The methods that fetch throw on an
 * answer that is not what the venue's documentation says.
 */
export interface Venue {
  readonly name: string;
  readonly urls: { readonly ws: string; readonly rest: string };
  readonly limits: VenueLimits;
  /** Our symbol for a native one; null where it is none of this venue. */
  toSymbol(native: string): string | null;
  /** Subscribes to trades (and what tells that there are none). `number` counts up on a connection. */
  subscribe(natives: readonly string[], number: number): Subscription;
  /** @throws on a frame that is not the venue's. */
  parse(text: string): readonly VenueMessage[];
  /** Trades from `fromId` on, as many as one request brings. `afterMs`: a trade before `fromId` has this time or a later one. */
  page(get: Get, native: string, fromId: number, afterMs: number): Promise<readonly RawTrade[]>;
  /** The newest trade's id; null while there is none. */
  newest(get: Get, native: string): Promise<number | null>;
  /** Id of the first trade at or after `timeMs`; null while there is none. */
  seek(get: Get, native: string, timeMs: number): Promise<number | null>;
}
