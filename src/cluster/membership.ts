import type { Clock } from '../kit/clock.js';
import { UserError } from '../kit/errors.js';
import { DurationHistogram } from '../kit/histogram.js';
import type { Log } from '../kit/log.js';
import { Contact } from './contact.js';
import { type Beat, Leases } from './leases.js';
import type { NodeIdentity, NodeInfo } from './nodes.js';
import type { ScriptClient } from './scripts.js';

export const LEASE_MS = 2500;
export const BEAT_MS = 500;

export interface ClusterOptions {
  /** Fails fast: no offline queue, a deadline on every command well below the lease. Stays the caller's to close. */
  readonly redis: ScriptClient;
  /** REDIS_PREFIX, before every key. */
  readonly prefix: string;
  readonly node: NodeIdentity;
  /** What else the others should know, as JSON; asked before every beat. `spoolBehind`: records that the database lacks. */
  readonly info: () => Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a node that says nothing keeps what it has. */
  readonly leaseMs?: number;
  readonly beatMs?: number;
  readonly monotonicMs?: () => number;
}

/** What differs between nodes that own and nodes that only watch. */
export interface Member {
  readonly partitions: readonly string[];
  wants(): readonly string[];
  /** Called just before a beat is sent. */
  held(): ReadonlySet<string>;
  /** With what `held` gave for it. */
  onBeat(beat: Beat, held: ReadonlySet<string>): void;
}

export interface MemberStats {
  readonly beats: number;
  readonly failures: number;
  /** Of beats that Redis answered. */
  readonly roundTrips: DurationHistogram;
}

/** Keeps this process on the list of live nodes, beat by beat, and knows who else is. */
export class Membership {
  readonly leases: Leases;
  readonly contact: Contact;
  readonly stats = { beats: 0, failures: 0, roundTrips: new DurationHistogram() };
  readonly #options: ClusterOptions;
  readonly #member: Member;
  readonly #startedAt: number;
  #nodes: readonly NodeInfo[] = [];
  #holders: ReadonlyMap<string, string> | null = null;
  #beating: Promise<unknown> | null = null;
  #stopTimer: (() => void) | null = null;

  constructor(options: ClusterOptions, member: Member) {
    const { redis, prefix, node, clock, log, leaseMs = LEASE_MS, beatMs = BEAT_MS } = options;
    this.#options = options;
    this.#member = member;
    this.#startedAt = clock.now();
    const { partitions } = member;
    this.leases = new Leases({ redis, prefix, node: node.id, partitions, leaseMs, steadyMs: leaseMs + beatMs });
    this.contact = new Contact({ clock, log, monotonicMs: options.monotonicMs ?? (() => performance.now()), leaseMs });
  }

  /** Beats once, then every `beatMs`; a Redis that is away is no reason not to start. @throws UserError when Redis refuses us. */
  async start(): Promise<void> {
    this.contact.ran();
    const error = await this.#beat();
    if (error !== null && isRefusal(error)) throw refused(error);
    this.#stopTimer = this.#options.clock.every(this.#options.beatMs ?? BEAT_MS, () => {
      this.contact.ran();
      void this.beat();
    });
  }

  /** The live nodes as of the latest beat that was answered, this one among them. */
  nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  /** Whether a node owned it when Redis answered last; null: not known. */
  isOwned(partition: string): boolean | null {
    if (this.#holders === null || !this.#member.partitions.includes(partition)) return null;
    return this.#holders.has(partition);
  }

  /** One beat at a time: while one is under way this is that one. Never rejects. */
  async beat(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = null;
    });
    await this.#beating;
  }

  /** A beat that tells the others what is so now. Never rejects. */
  async beatAnew(): Promise<void> {
    await this.#beating;
    await this.beat();
  }

  /** Ends the beats and leaves the list. Never rejects. */
  async stop(): Promise<void> {
    this.#stopTimer?.();
    await this.#beating;
    try {
      await this.leases.leave();
    } catch (error) {
      this.#options.log.debug({ err: error }, 'could not take this node off the list; it expires');
    }
  }

  /** @returns what went wrong. */
  async #beat(): Promise<unknown> {
    const held = this.#member.held();
    const sent = this.contact.now();
    this.stats.beats++;
    try {
      const beat = await this.leases.beat(this.#info(), held);
      this.stats.roundTrips.observe(this.contact.now().monotonicMs - sent.monotonicMs);
      if (this.contact.answered(sent, beat.redisTimeMs)) {
        this.#nodes = beat.nodes;
        this.#holders = beat.holders;
        this.#member.onBeat(beat, held);
        return null;
      }
    } catch (error) {
      this.contact.failed(error);
      this.stats.failures++;
      return error;
    }
    this.stats.failures++;
    return null;
  }

  #info(): object {
    const { info, node } = this.#options;
    return { ...node, ...info(), id: node.id, startedAt: this.#startedAt, wants: this.#member.wants() };
  }
}

/** Permissions and passwords: nothing that passes by itself. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && /NOPERM|NOAUTH|WRONGPASS|The user executing the script can't/.test(error.message);
}

function refused(error: Error): UserError {
  return new UserError(
    `REDIS_URL: Redis refuses what the cluster needs: ${error.message}. ` +
      'Allow it in the ACL with `~PREFIX* &PREFIX* +@all -@admin -@dangerous` (PREFIX is REDIS_PREFIX)',
    { cause: error },
  );
}
