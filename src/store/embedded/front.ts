import { randomInt } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import { Channels } from './channels.js';
import { Connection, type ConnectionOwner } from './connection.js';
import { type Engine, EngineDied } from './engine.js';
import { sortReply } from './reply.js';
import { closeStatement, type Request } from './request.js';
import { SessionSettings, startupSettings } from './settings.js';
import {
  Backend,
  backendKeyData,
  copyInResponse,
  errorResponse,
  parameterStatus,
  query,
  readyForQuery,
  SYNC,
  type TransactionStatus,
} from './wire.js';

const CONNECTIONS_MAX = 64;
/** Requests received and not yet run, of all connections. */
const WAITING_BYTES_MAX = 268_435_456;
const REPLY_BYTES_MAX = 268_435_456;
/** A transaction keeps everybody else waiting: a client that does nothing with it for so long loses it. */
const IDLE_IN_TRANSACTION_MAX_MS = 60_000;

const REPORTED =
  'server_version server_encoding client_encoding DateStyle IntervalStyle TimeZone integer_datetimes standard_conforming_strings is_superuser';
/** What would take the statements of all other connections away. */
const SHARED_STATE = /^\s*(?:discard\b|deallocate\s+(?:prepare\s+)?all\b)/i;
const REFUSED = query(
  `DO $$ BEGIN RAISE EXCEPTION 'DISCARD and DEALLOCATE ALL are not available in the embedded database, which all connections share' USING ERRCODE = '0A000'; END $$`,
);

/**
 * Lets many clients use the one backend as if each had its own. Requests run one at a time, round robin; from a
 * transaction's start to its end the backend belongs to its client. Statement names, settings and channels are kept
 * apart per connection. Shared and not kept apart: temporary tables, advisory locks (always granted), sequences' `currval`.
 */
export class Front implements ConnectionOwner {
  private readonly server: Server;
  private readonly connections = new Set<Connection>();
  private readonly settings: SessionSettings;
  private readonly channels: Channels;
  private readonly reported: readonly (readonly [string, string])[];
  /** The client whose transaction is open. */
  private holder: Connection | null = null;
  private status: TransactionStatus | 'flush' = 'I';
  private unnamedOwner: Connection | null = null;
  private waitingBytes = 0;
  private scheduled = false;
  private stopped = false;
  private lastId = 0;
  private cancelIdleTimer: () => void = () => {};

  private readonly engine: Engine;

  /** @param onDied called once when the backend is gone; the process is of no use after that. */
  constructor(
    engine: Engine,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly onDied: (error: Error) => void,
  ) {
    this.engine = this.forgettingUnnamed(engine);
    this.settings = new SessionSettings(this.engine);
    this.channels = new Channels(this.engine, this.connections);
    this.reported = REPORTED.split(' ').map((name) => [name, engine.rows(`SHOW ${name}`)[0]?.[0] ?? '']);
    this.server = createServer((socket) => this.accept(socket));
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject).listen(path, resolve);
    });
  }

  /** Hangs up on everybody and rolls back what is open. */
  stop(): void {
    if (this.stopped) return;
    this.server.close();
    for (const connection of this.connections) connection.fail('57P01', 'the embedded database is stopping');
    if (this.holder !== null) this.abandon();
    this.stopped = true;
  }

  account(delta: number): boolean {
    this.waitingBytes += delta;
    return delta <= 0 || this.waitingBytes <= WAITING_BYTES_MAX;
  }

  ready(connection: Connection, parameters: ReadonlyMap<string, string>): void {
    const encoding = parameters.get('client_encoding') ?? 'UTF8';
    if (!/^'?(?:utf-?8|unicode)'?$/i.test(encoding)) {
      connection.fail('0A000', `client_encoding ${encoding} is not available: the embedded database speaks UTF8`);
      return;
    }
    const own = startupSettings(parameters);
    connection.settings = own;
    connection.send(
      ...this.reported.map(([name, value]) => parameterStatus(name, own.get(name) ?? value)),
      parameterStatus('application_name', parameters.get('application_name') ?? ''),
      backendKeyData({ pid: connection.id, secret: connection.secret }),
      readyForQuery('I'),
    );
  }

  work(connection: Connection): void {
    this.announceCopy(connection);
    if (connection === this.holder) this.watchHolder();
    if (connection.terminated && connection.requests.length === 0) connection.socket.end();
    this.schedule();
  }

  /** A waiting request is answered as cancelled; one that runs cannot be stopped. */
  cancel(pid: number, secret: number): void {
    for (const connection of this.connections) {
      if (connection.id !== pid || connection.secret !== secret || connection === this.holder) continue;
      const request = connection.takeRequest();
      if (request === undefined) return;
      connection.send(errorResponse('ERROR', '57014', 'canceling statement due to user request'));
      if (request.endsInFlush) connection.skipping = true;
      else connection.send(readyForQuery('I'));
    }
  }

  closed(connection: Connection): void {
    if (connection.requests.length > 0 && !this.stopped) this.schedule();
    else this.forget(connection);
  }

  /** Simple queries drop the unnamed statement, ours like anybody's. */
  private forgettingUnnamed(engine: Engine): Engine {
    const forget = <T>(run: () => T): T => {
      this.unnamedOwner = null;
      return run();
    };
    return {
      ...engine,
      rows: (sql) => forget(() => engine.rows(sql)),
      resetSession: () => forget(() => engine.resetSession()),
    };
  }

  private accept(socket: Socket): void {
    const connection = new Connection(socket, ++this.lastId, randomInt(2 ** 31), this);
    if (this.connections.size >= CONNECTIONS_MAX)
      connection.fail('53300', 'too many connections to the embedded database');
    else this.connections.add(connection);
  }

  /** The client may send its COPY data once everything before is answered. */
  private announceCopy(connection: Connection): void {
    const copy = connection.requests[0]?.copy;
    if (!copy || copy.announced) return;
    copy.announced = true;
    connection.send(copyInResponse(copy.binary));
  }

  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.guard(() => this.runNext());
    });
  }

  private guard(run: () => void): void {
    if (this.stopped) return;
    try {
      run();
    } catch (error) {
      this.stopped = true;
      this.server.close();
      for (const connection of this.connections) connection.fail('57P02', 'the embedded database has failed');
      this.onDied(error instanceof Error ? error : new EngineDied(String(error)));
    }
  }

  private runNext(): void {
    const connection = this.holder ?? this.nextRunnable();
    if (connection === null || !connection.runnable) return;
    const request = connection.takeRequest();
    if (request === undefined) return;
    // To the end of the line.
    this.connections.delete(connection);
    this.connections.add(connection);
    this.run(connection, request);
    this.announceCopy(connection);
    if (connection.requests.length === 0) {
      if (connection.closed) this.forget(connection);
      else if (connection.terminated) connection.socket.end();
    }
    this.schedule();
  }

  private nextRunnable(): Connection | null {
    for (const connection of this.connections) if (connection.runnable) return connection;
    return null;
  }

  private run(connection: Connection, request: Request): void {
    if (connection.skipping) {
      this.skip(connection, request);
      return;
    }
    if (this.status === 'I' && !this.prepareSession(connection)) return;
    if (request.texts.some((text) => SHARED_STATE.test(text))) {
      this.refuse(connection, request);
      return;
    }
    const renew = request.needsUnnamed && this.unnamedOwner !== connection ? connection.unnamed : null;
    if (request.unnamed !== undefined) connection.unnamed = request.unnamed;
    if (renew !== null || request.unnamed !== undefined) this.unnamedOwner = connection;
    // A CopyInResponse is announced before the data is there, or must not be seen because the data will not be taken.
    const drop = renew !== null ? Backend.parseComplete : Backend.copyInResponse;
    const messages = renew === null ? request.messages : [renew, ...request.messages];
    // Until its client has read what a statement takes and gives, and goes on, it keeps nobody waiting: that client may be frozen.
    if (request.endsInFlush && !request.acts && this.status !== 'flush')
      this.execute(connection, request, Buffer.concat([...messages, SYNC]), drop, Backend.readyForQuery);
    else this.execute(connection, request, Buffer.concat(messages), drop);
  }

  /** @param drop as in sortReply. */
  private execute(connection: Connection, request: Request, frontend: Buffer, ...drop: readonly number[]): void {
    const { bytes, truncated } = this.engine.execute(frontend, REPLY_BYTES_MAX);
    const reply = sortReply(bytes, ...drop);
    if (truncated) {
      connection.send(
        errorResponse('ERROR', '54000', `the result is larger than ${REPLY_BYTES_MAX} bytes: read it in parts`),
      );
    }
    connection.send(...reply.parts);
    this.settings.note(reply.commands, request.texts);
    this.channels.note(connection, reply.commands, request.texts);
    this.channels.deliver(reply);
    connection.skipping = request.endsInFlush && (reply.failed || truncated);
    if (truncated && !request.endsInFlush) this.execute(connection, { ...request, texts: [] }, SYNC);
    else this.settleStatus(connection, reply.status ?? 'flush');
  }

  private settleStatus(connection: Connection, status: TransactionStatus | 'flush'): void {
    this.status = status;
    this.holder = status === 'I' ? null : connection;
    if (status === 'I') {
      this.channels.settle();
      this.settings.settle();
    }
    this.watchHolder();
    if (this.holder?.closed && this.holder.requests.length === 0) this.forget(this.holder);
  }

  /** After an error in an extended query everything up to Sync is ignored. */
  private skip(connection: Connection, request: Request): void {
    const endsInSync = !request.endsInFlush && request.copy === null && request.unnamed !== null;
    if (!endsInSync) return;
    connection.skipping = false;
    this.execute(connection, { ...request, texts: [] }, SYNC);
  }

  private refuse(connection: Connection, request: Request): void {
    this.unnamedOwner = null;
    const reply = sortReply(
      this.engine.execute(REFUSED, REPLY_BYTES_MAX).bytes,
      ...(request.endsInFlush ? [Backend.readyForQuery] : []),
    );
    connection.send(...reply.parts);
    connection.skipping = request.endsInFlush;
    this.settleStatus(connection, reply.status ?? 'I');
  }

  private prepareSession(connection: Connection): boolean {
    try {
      this.settings.switchTo(connection);
      return true;
    } catch (error) {
      if (error instanceof EngineDied) throw error;
      connection.fail('22023', error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  private watchHolder(): void {
    this.cancelIdleTimer();
    const holder = this.holder;
    if (holder === null) return;
    this.cancelIdleTimer = this.clock.after(IDLE_IN_TRANSACTION_MAX_MS, () => {
      this.log.warn({ connection: holder.id }, 'a client left a transaction open: it is rolled back');
      holder.fail('25P03', 'terminating connection due to idle-in-transaction timeout');
      if (this.holder === holder) this.guard(() => this.abandon());
      this.schedule();
    });
  }

  /** Ends the transaction of a client that is gone. */
  private abandon(): void {
    if (this.status === 'flush')
      this.status = sortReply(this.engine.execute(SYNC, REPLY_BYTES_MAX).bytes).status ?? 'I';
    if (this.status !== 'I') this.engine.rows('ROLLBACK');
    this.status = 'I';
    this.holder = null;
    this.cancelIdleTimer();
  }

  /** Takes back what a closed connection had in the backend. */
  private forget(connection: Connection): void {
    if (!this.connections.delete(connection) || this.stopped) return;
    this.guard(() => {
      if (this.holder === connection) this.abandon();
      this.channels.left(connection);
      if (this.holder === null) this.channels.settle();
      if (connection.statements.size === 0) return;
      const closes = [...connection.statements].map(closeStatement);
      this.engine.execute(Buffer.concat(this.status === 'I' ? [...closes, SYNC] : closes), REPLY_BYTES_MAX);
    });
    this.schedule();
  }
}
