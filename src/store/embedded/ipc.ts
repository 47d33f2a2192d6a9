/** What the server tells its database process. */
export interface StartOrder {
  readonly type: 'start';
  readonly dataDir: string;
}

export interface StopOrder {
  readonly type: 'stop';
}

export type Order = StartOrder | StopOrder;

/** What the database process tells its server. */
export type Report =
  | { readonly type: 'progress'; readonly text: string }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: object;
      readonly text: string;
    }
  /** Open and listening in `directory`. */
  | { readonly type: 'ready'; readonly directory: string }
  /** Not opened. `forUser`: the message says what to do. */
  | { readonly type: 'failed'; readonly message: string; readonly forUser: boolean };

export const SOCKET_NAME = '.s.PGSQL.5432';
/** Of the directory in the system's temporary directory that holds the socket. */
export const SOCKET_DIRECTORY_PREFIX = 'candlecast-db-';
