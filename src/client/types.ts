import type { SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Position } from '../market/position.js';

export type { SymbolStatus } from '../market/event.js';
export type { Interval } from '../market/interval.js';
export type { Position } from '../market/position.js';

/**
 * How far a program has come: JSON to keep, and to give back as `from`. Saved with each item that was dealt with, it brings
 * everything after that item, and nothing up to it, whenever that is and on whichever server of the cluster.
 */
export interface Cursor {
  readonly position: Position | null;
  /** Within an answer of many candles: those from `start` to `after` (open times) were dealt with, `revised` ones in that revision. */
  readonly batch?: {
    readonly start: number;
    readonly after: number;
    readonly revised: readonly (readonly [openTime: number, revision: number])[];
  };
}

interface OfChannel {
  readonly symbol: string;
  readonly interval: Interval;
  readonly cursor: Cursor;
}

/** A whole candle: it replaces the one with its open time `t`. Prices and volume are decimal strings. */
export interface Candle extends OfChannel {
  readonly type: 'candle';
  /** Open time, epoch ms. */
  readonly t: number;
  readonly o: string;
  readonly h: string;
  readonly l: string;
  readonly c: string;
  readonly v: string;
  /** Trades; 0 = nobody traded. */
  readonly n: number;
  /** Closed. */
  readonly x: boolean;
  /** Revision; 0 = as first closed. */
  readonly r: number;
  /** A closed candle of this open time came before: this one puts it right. */
  readonly correction: boolean;
}

/** Candles that touch `from` (inclusive) to `to` (exclusive) are missing or lack trades. Epoch ms. */
export interface Gap extends OfChannel {
  readonly type: 'gap';
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** What was missed cannot be had: drop what you have. As much history as at the start follows. */
export interface Reset extends OfChannel {
  readonly type: 'reset';
}

/** The plan gives no older history; more is there. */
export interface Limited extends OfChannel {
  readonly type: 'limited';
  readonly plan: string;
  readonly historyDays: number;
}

export type CandleItem = Candle | Gap | Reset | Limited;

interface StreamOptions {
  /** Ends the stream, quietly. */
  readonly signal?: AbortSignal;
  /** Items that may wait for a slow reader; above it the stream pauses and goes on from its position later. Default 10,000. */
  readonly buffer?: number;
}

export interface CandleOptions extends StreamOptions {
  /** Closed candles to begin with; any number. Default 0. */
  readonly history?: number;
  /** In place of `history`: the open time to begin at, epoch ms. */
  readonly since?: number;
  /** In place of both, where there is one: where an earlier run stopped. */
  readonly from?: Cursor | null;
  /** Only closes, corrections and gaps. */
  readonly closedOnly?: boolean;
}

/** A channel of a replay. */
export interface ReplayedChannel {
  readonly symbol: string;
  readonly interval: Interval;
  /** Only closes and gaps. */
  readonly closedOnly?: boolean;
  /** Closed candles before `from` to begin with, up to 1,000. Default 0. */
  readonly history?: number;
}

export interface ReplayOptions extends StreamOptions {
  /** 1 to 30, in one order of time. */
  readonly channels: readonly ReplayedChannel[];
  /** Minutes that opened in [from, to) are played, epoch ms. Default of `to`: all there is. */
  readonly from: number;
  readonly to?: number;
  /** Virtual seconds a second, 0.01 to 100,000. Default 0: as fast as they are read. */
  readonly speed?: number;
}

export interface Signal {
  readonly type: 'signal';
  readonly id: string;
  readonly seq: number;
  readonly kind: string;
  readonly symbol: string;
  readonly data: Readonly<Record<string, unknown>> | null;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly source: 'publisher' | 'rule';
  /** Of the user's rule that made it. */
  readonly rule?: string;
  /** Id of the earlier signal that this one puts right. */
  readonly corrects?: string;
  /** The place of this signal, to keep and to give back as `from`. */
  readonly position: Position;
  /** The device has dealt with this signal and all before it. */
  ack(): void;
}

/** The position is not one of this server's: signals from here on; `GET /v1/signals` has the rest. */
export interface SignalReset {
  readonly type: 'reset';
  readonly position: Position;
}

export type SignalItem = Signal | SignalReset;

export interface SignalOptions extends StreamOptions {
  /** Whose acknowledgements these are: 1 to 64 of `A-Z a-z 0-9 _ . : -`. Default `default`. */
  readonly device?: string;
  /** `acked` (default): all that the device has not acknowledged; `now`: new ones; or a position kept by the program. */
  readonly from?: 'acked' | 'now' | Position;
  /** `auto` (default): when the next one is asked for, or the listener has returned; `manual`: by `ack()`. */
  readonly ack?: 'auto' | 'manual';
}

export interface StatusItem extends SymbolStatus {
  readonly type: 'status';
}

export type StatusOptions = StreamOptions;

/** What a listener may be told beside items. */
export interface EndOptions {
  /** The stream has ended: null where that was asked for, by `close()` or a signal. */
  readonly onEnd?: (error: Error | null) => void;
}

export interface Subscription {
  close(): void;
}

/**
 * Of the connection. `stale`: nothing was heard for a while (`silent`), or the server is cut off from its source (`source`): what came is
 * right, but there may be more. `failed`: it is of no use to try again; every stream has ended with the error.
 */
export type ConnectionState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly url: string }
  | { readonly kind: 'live'; readonly url: string }
  | { readonly kind: 'stale'; readonly url: string; readonly reason: 'silent' | 'source' }
  | { readonly kind: 'waiting'; readonly retryInMs: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'closed' };

/** `refresh`: the token given before has expired or was refused, so that a kept one is of no use. */
export type TokenProvider = (why: { readonly refresh: boolean }) => string | Promise<string>;

export interface ClientOptions {
  /** Servers of one cluster, such as `https://candles.example.com`: any is as good as another. */
  readonly url: string | readonly string[];
  /** An API key, or what gives an access token whenever one is needed. */
  readonly token?: string | TokenProvider;
  /** Ends everything, as `close()` does. */
  readonly signal?: AbortSignal;
  /** Waits between attempts are random between 0 and `baseMs`, twice that, … up to `capMs`. Defaults: 500 and 15,000. */
  readonly reconnect?: { readonly baseMs?: number; readonly capMs?: number };
  /** In place of the global one, or of that of the package `ws`. */
  readonly WebSocket?: SocketClass;
}

/** What is used of a WebSocket. */
export interface Socket {
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  /** Of the package `ws`: at once. */
  terminate?(): void;
}

export type SocketClass = new (url: string, protocols: string[]) => Socket;
