import type { Clock } from '../../kit/clock.js';
import { errorFrame, parseRequest, resultFrame, type StreamRequest } from '../../wire/binance/request.js';
import type { Frame } from '../../wire/codec.js';
import type { HttpResponse } from '../../wire/http.js';
import type { Connection } from '../connection.js';
import type { Context, ErrorDetails } from '../context.js';
import type { Dialect, Place } from '../dialect.js';
import type { Hub } from '../hub.js';
import { countInvalid, hold } from '../inbound.js';
import type { Outlet } from '../topic.js';
import type { TradeSource } from '../trade-source.js';
import type { UpgradeRequest } from '../transport/transport.js';
import { BinanceConnection } from './connection.js';
import { combinedFrame } from './frame.js';
import { Streams } from './streams.js';
import { refuse, setCombined, subscribe, topicsOf, unsubscribe } from './subscribe.js';

/** `/ws/<anything>` and `/stream/<anything>` too: some clients number their connections there. */
const PATH = /^\/(ws|stream)(?:\/(.*))?$/s;
const SHUTDOWN = '!serverShutdown';

/**
 * The sockets of Binance's spot market streams, so that its clients need another host name and nothing else. What is streamed is for
 * everybody, so pages of any origin may connect.
 * @see https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
 */
export class BinanceDialect implements Dialect {
  readonly busy = 'an earlier request is answered';
  readonly streams: Streams;

  constructor(
    hub: Hub,
    outlet: Outlet,
    readonly clock: Clock,
    trades: TradeSource | null,
  ) {
    this.streams = new Streams(hub, outlet, trades);
  }

  takes(path: string): boolean {
    return PATH.test(path);
  }

  refuse(): HttpResponse | null {
    return null;
  }

  create(request: UpgradeRequest, place: Place) {
    const [, kind, rest = ''] = PATH.exec(request.path) ?? [];
    const listed = kind === 'stream' ? streamsOf(request.rawQuery) : decoded(rest);
    // Some clients append further parameters to the list of streams, with a question mark of their own.
    const names = (listed.split('?')[0] ?? '').split('/').filter((name) => name.includes('@'));
    const data = new BinanceConnection(this, place, kind === 'stream', [...new Set(names)]);
    return { data, protocol: null };
  }

  opened(connection: Connection, context: Context): void {
    if (!(connection instanceof BinanceConnection) || connection.named === null) return;
    const { named } = connection;
    connection.named = null;
    if (named.length > 0) hold(connection, subscribe(connection, named, null, context, this.streams), context);
  }

  accept(connection: Connection, text: string | null, context: Context): void {
    if (!(connection instanceof BinanceConnection)) return;
    const request = parseRequest(text);
    if ('code' in request) {
      refuse(connection, request, context);
      countInvalid(connection, context);
      return;
    }
    connection.invalid = 0;
    this.#dispatch(connection, request, context);
  }

  error({ message }: ErrorDetails): Frame {
    return errorFrame({ code: 2, msg: `Invalid request: ${message}`, id: 'null' });
  }

  farewell(connection: Connection, nowMs: number): Frame {
    const data = JSON.stringify({ e: 'serverShutdown', E: nowMs });
    return connection instanceof BinanceConnection && connection.combined ? combinedFrame(SHUTDOWN, data) : data;
  }

  /** Once a second. */
  tick(): void {
    this.streams.tick();
  }

  sweep(nowMs: number): void {
    this.streams.sweep(nowMs);
  }

  stop(): void {
    this.streams.stop();
  }

  #dispatch(connection: BinanceConnection, request: StreamRequest, context: Context): void {
    const { streams } = this;
    switch (request.method) {
      case 'SUBSCRIBE':
        hold(connection, subscribe(connection, request.params, request.id, context, streams), context);
        break;
      case 'UNSUBSCRIBE':
        unsubscribe(connection, request.params, request.id, context);
        break;
      case 'SET_PROPERTY':
        setCombined(connection, request.combined, request.id, context, streams);
        break;
      case 'LIST_SUBSCRIPTIONS': {
        const names = topicsOf(connection).map(({ channel }) => channel);
        connection.socket?.send(resultFrame(request.id, names.sort()));
        break;
      }
      case 'GET_PROPERTY':
        connection.socket?.send(resultFrame(request.id, connection.combined));
        break;
    }
  }
}

/** Clients put names there as they are, so that `+` is one, as in `@+08:00`, and not the blank of a form. */
function streamsOf(rawQuery: string): string {
  return new URLSearchParams(rawQuery.replaceAll('+', '%2B')).get('streams') ?? '';
}

/** What is not well encoded names no stream. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}
