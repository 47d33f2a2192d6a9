import type { Socket } from 'node:net';
import { Framer } from './framer.js';
import { addCopyMessage, addMessage, newRequest, type Request } from './request.js';
import { AUTHENTICATION_OK, errorResponse, Frontend, type Message, readCString } from './wire.js';

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const PROTOCOL_3 = 196608;
const STARTUP_BYTES_MAX = 10_000;
/** The longest request, COPY data included. */
export const REQUEST_BYTES_MAX = 67_108_864;
/** Past this many bytes of finished requests that wait, a connection is not read any further. */
const READ_AHEAD_BYTES_MAX = 1_048_576;

const FRONTEND_TYPES: ReadonlySet<number> = new Set(Object.values(Frontend));

/** What the front does for its connections. */
export interface ConnectionOwner {
  /** All waiting bytes of all connections changed by `delta`; false = that is too many. */
  account(delta: number): boolean;
  /** The start-up is done: settings the client asked for. Answers it. */
  ready(connection: Connection, parameters: ReadonlyMap<string, string>): void;
  /** Requests may have become runnable. */
  work(connection: Connection): void;
  cancel(pid: number, secret: number): void;
  closed(connection: Connection): void;
}

/** One client: its socket, the requests it has sent and what of the backend's session belongs to it. */
export class Connection {
  readonly requests: Request[] = [];
  /** Names of its prepared statements, as the backend knows them. */
  readonly statements = new Set<string>();
  readonly channels = new Set<string>();
  /** The Parse message of its unnamed statement. */
  unnamed: Buffer | null = null;
  /** Its settings that differ from a new session's, by name. */
  settings: ReadonlyMap<string, string> = new Map();
  /** It sent Terminate (what it sent before is still done), or was hung up on. */
  terminated = false;
  closed = false;
  /** After an error its messages are skipped until Sync. */
  skipping = false;
  private started = false;
  private readonly framer = new Framer();
  private building = newRequest();
  private waitingBytes = 0;
  private accountedBytes = 0;

  constructor(
    readonly socket: Socket,
    readonly id: number,
    readonly secret: number,
    private readonly owner: ConnectionOwner,
  ) {
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => owner.work(this));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.close());
  }

  /** Has a request that can run now. */
  get runnable(): boolean {
    const head = this.requests[0];
    if (head === undefined) return false;
    return (this.closed || !this.socket.writableNeedDrain) && (head.copy === null || head.copy.complete);
  }

  takeRequest(): Request | undefined {
    const request = this.requests.shift();
    if (request !== undefined) this.waitingBytes -= request.bytes;
    this.settle();
    return request;
  }

  send(...parts: readonly Buffer[]): void {
    if (this.closed || !this.socket.writable) return;
    for (const part of parts) if (part.length > 0) this.socket.write(part);
  }

  /** Says why and hangs up. */
  fail(code: string, text: string): void {
    this.send(errorResponse('FATAL', code, text));
    this.terminated = true;
    this.requests.length = 0;
    this.waitingBytes = 0;
    this.socket.destroySoon();
  }

  private receive(chunk: Buffer): void {
    if (this.closed || this.terminated) return;
    this.framer.push(chunk);
    try {
      this.readMessages();
    } catch (error) {
      this.fail('08P01', `protocol violation: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    if (!this.settle()) {
      this.fail('53200', 'the embedded database has too much waiting for it: send less at once');
      return;
    }
    this.owner.work(this);
  }

  private readMessages(): void {
    while (!this.started) {
      const packet = this.framer.nextStartup(STARTUP_BYTES_MAX);
      if (packet === null) return;
      this.startup(packet);
      if (!this.socket.writable) return;
    }
    for (let next = this.framer.next(REQUEST_BYTES_MAX); next !== null; next = this.framer.next(REQUEST_BYTES_MAX)) {
      this.take(next);
      if (this.terminated) return;
    }
  }

  private take(incoming: Message): void {
    if (!FRONTEND_TYPES.has(incoming.type)) throw new RangeError(`a message of type ${incoming.type}`);
    if (incoming.type === Frontend.terminate) {
      this.terminated = true;
      return;
    }
    const last = this.requests.at(-1);
    if (last?.copy && !last.copy.complete) {
      const before = last.bytes;
      addCopyMessage(last, incoming);
      this.waitingBytes += last.bytes - before;
      if (last.bytes > REQUEST_BYTES_MAX) throw new RangeError(`a COPY of more than ${REQUEST_BYTES_MAX} bytes`);
      return;
    }
    if (isCopyMessage(incoming.type)) return;
    if (!addMessage(this.building, this.id, incoming, this.statements)) return;
    this.waitingBytes += this.building.bytes;
    this.requests.push(this.building);
    this.building = newRequest();
  }

  private startup(packet: Buffer): void {
    const code = packet.readInt32BE(0);
    if (code === SSL_REQUEST || code === GSS_REQUEST) {
      this.send(Buffer.from('N'));
    } else if (code === CANCEL_REQUEST && packet.length >= 12) {
      this.owner.cancel(packet.readInt32BE(4), packet.readInt32BE(8));
      this.socket.destroySoon();
    } else if (code >> 16 === PROTOCOL_3 >> 16) {
      this.started = true;
      this.send(AUTHENTICATION_OK);
      this.owner.ready(this, readParameters(packet));
    } else {
      this.fail('08P01', `protocol ${code >> 16}.${code & 0xffff} is not spoken here`);
    }
  }

  /** Stops or goes on reading by what waits; false = the sum over all connections is too large. */
  private settle(): boolean {
    const bytes = this.closed ? 0 : this.waitingBytes + this.building.bytes + this.framer.pendingBytes;
    const fits = this.owner.account(bytes - this.accountedBytes);
    this.accountedBytes = bytes;
    const copying = this.requests.at(-1)?.copy?.complete === false;
    if (this.waitingBytes > READ_AHEAD_BYTES_MAX && !copying) this.socket.pause();
    else this.socket.resume();
    return fits;
  }

  private close(): void {
    this.closed = true;
    // Without a Terminate nobody waits for what is left; a transaction of it is rolled back.
    if (!this.terminated) this.requests.length = 0;
    this.settle();
    this.owner.closed(this);
  }
}

function isCopyMessage(type: number): boolean {
  return type === Frontend.copyData || type === Frontend.copyDone || type === Frontend.copyFail;
}

function readParameters(packet: Buffer): Map<string, string> {
  const parameters = new Map<string, string>();
  let at = 4;
  while (at < packet.length && packet[at] !== 0) {
    const name = readCString(packet, at);
    const value = readCString(packet, name.end);
    parameters.set(name.text, value.text);
    at = value.end;
  }
  return parameters;
}
