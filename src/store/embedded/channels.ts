import type { Connection } from './connection.js';
import type { Engine } from './engine.js';
import type { SortedReply } from './reply.js';

const STATEMENT = /(?:^|;)\s*(un)?listen\s+(\*|"(?:[^"]|"")+"|[\w$]+)/gi;

/** LISTEN and UNLISTEN of many connections over one backend session: it listens to what any of them wants. */
export class Channels {
  private stale = false;

  constructor(
    private readonly engine: Engine,
    private readonly connections: ReadonlySet<Connection>,
  ) {}

  /** After statements of `connection`. */
  note(connection: Connection, commands: ReadonlySet<string>, texts: readonly string[]): void {
    if (!commands.has('LISTEN') && !commands.has('UNLISTEN')) return;
    for (const text of texts) {
      for (const [, un, name] of text.matchAll(STATEMENT)) this.change(connection, un !== undefined, name ?? '');
    }
  }

  private change(connection: Connection, leaves: boolean, name: string): void {
    if (!leaves) {
      connection.channels.add(fold(name));
      return;
    }
    if (name === '*') connection.channels.clear();
    else connection.channels.delete(fold(name));
    this.stale = true;
  }

  /** Sends what the backend notified to everybody who listens. */
  deliver(reply: SortedReply): void {
    for (const { channel, bytes } of reply.notifications) {
      for (const connection of this.connections) if (connection.channels.has(channel)) connection.send(bytes);
    }
  }

  /** A connection with channels has gone. */
  left(connection: Connection): void {
    if (connection.channels.size === 0) return;
    connection.channels.clear();
    this.stale = true;
  }

  /** Makes the backend listen to what is wanted, no more and no less. Outside any transaction only. */
  settle(): void {
    if (!this.stale) return;
    this.stale = false;
    this.engine.rows('UNLISTEN *');
    const wanted = new Set([...this.connections].flatMap((connection) => [...connection.channels]));
    for (const channel of wanted) this.engine.rows(`LISTEN "${channel.replaceAll('"', '""')}"`);
  }
}

/** An identifier as the server keeps it. */
function fold(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
}
