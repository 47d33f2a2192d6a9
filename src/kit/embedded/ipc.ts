/** What a server tells a process that it forked for an embedded engine. */
export interface StartOrder {
  readonly type: 'start';
  readonly dataDir: string;
}

export interface StopOrder {
  readonly type: 'stop';
}

export type Order = StartOrder | StopOrder;

/** What that process tells its server. */
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
