import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import type { ServerMessage } from '../../src/wire/messages.js';

/** An event as a browser's EventSource would dispatch it. */
export interface Heard {
  readonly event: string;
  readonly data: ServerMessage | { type: 'close'; code: number; reason: string };
  /** The last id heard up to here. */
  readonly lastEventId: string;
}

/** Reads `/v1/sse` as the specification says, and keeps all it heard. */
export class SseClient {
  readonly heard: Heard[] = [];
  comments = 0;
  retryMs = 0;
  lastEventId = '';
  ended = false;
  #rest = '';
  #changed: (() => void)[] = [];

  private constructor(
    readonly request: ClientRequest,
    readonly response: IncomingMessage,
  ) {
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#read(text));
    response.on('error', () => undefined);
    response.on('close', () => {
      this.ended = true;
      this.#wake();
    });
  }

  /** Whatever the answer is. */
  static ask(port: number, path: string, headers: Record<string, string> = {}): Promise<SseClient> {
    return new Promise((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) =>
        resolve(new SseClient(request, response)),
      );
      request.on('error', reject);
    });
  }

  static open(
    port: number,
    channels: readonly string[],
    { lastEventId = '', snapshot = 5, token = '' } = {},
  ): Promise<SseClient> {
    const headers = {
      ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }),
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    };
    return SseClient.ask(port, `/v1/sse?channels=${channels.join(',')}&snapshot=${snapshot}`, headers);
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  /** Of a refusal. */
  async problem(): Promise<{ status: number; code?: string; detail: string }> {
    while (!this.ended) await this.change();
    return JSON.parse(this.#rest) as { status: number; code?: string; detail: string };
  }

  get messages(): ServerMessage[] {
    return this.heard.flatMap(({ data }) => (data.type === 'close' ? [] : [data]));
  }

  all<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { type: T }>[] {
    return this.messages.filter((m): m is Extract<ServerMessage, { type: T }> => m.type === type);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.ended) throw new Error(`ended after ${JSON.stringify(this.heard.at(-1))}`);
      await this.change();
    }
  }

  /** The code with which it ended; null: cut without a word. */
  async closed(): Promise<number | null> {
    while (!this.ended) await this.change();
    const last = this.heard.at(-1)?.data;
    return last?.type === 'close' ? last.code : null;
  }

  change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  leave(): void {
    this.request.destroy();
  }

  #read(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) this.#dispatch(block.split('\n'));
    this.#wake();
  }

  #dispatch(lines: readonly string[]): void {
    let event = 'message';
    let data = '';
    for (const line of lines) {
      const [, field, value = ''] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
      if (field === '') this.comments++;
      else if (field === 'id') this.lastEventId = value;
      else if (field === 'event') event = value;
      else if (field === 'retry') this.retryMs = Number(value);
      else if (field === 'data') data += value;
      else if (line !== '') throw new Error(`no line of an event stream: ${line}`);
    }
    if (data !== '') this.heard.push({ event, data: JSON.parse(data), lastEventId: this.lastEventId });
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}
