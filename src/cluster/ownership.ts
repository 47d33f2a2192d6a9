import type { Service } from '../kit/service.js';
import type { Beat } from './leases.js';
import { BEAT_MS, type ClusterOptions, LEASE_MS, type MemberStats, Membership } from './membership.js';
import type { NodeInfo } from './nodes.js';
import { type Shares, toGive, toTake } from './shares.js';
import { Tenure, type Why } from './tenure.js';

const TAKES_AT_ONCE = 4;
const FIRST_BACKOFF_MS = 500;
/** While no other node would take what this one could not. */
const MAX_BACKOFF_ALONE_MS = 5000;
const MAX_BACKOFF_MS = 60_000;
const NONE: ReadonlySet<string> = new Set();

export interface OwnershipOptions extends ClusterOptions {
  /** All there are. */
  readonly partitions: readonly string[];
  /**
   * Makes this node the one writer. `drop` is called only for what was taken: whoever rejects has let go of everything.
   * `signal` is aborted when the partition is lost or the node stops meanwhile.
   */
  readonly take: (partition: string, signal: AbortSignal) => Promise<void>;
  /** Lets go; the lease is kept until it resolves. `lost`: another node may be the writer already. */
  readonly drop: (partition: string, why: Why) => Promise<void>;
}

export interface OwnershipStats extends MemberStats {
  readonly takeovers: number;
  readonly failedTakeovers: number;
  readonly losses: number;
  readonly handovers: number;
  /** From the lease to the end of `take`. */
  readonly lastTakeoverMs: number;
}

/**
 * Which partitions this ingest node owns. Takes its share of what is free, gives back what others lack, keeps what it has
 * while Redis is away, and drops what another node has. A lease only says who should own: `take` must fence the writer before.
 */
export class Ownership implements Service {
  readonly name = 'ownership';
  readonly #options: OwnershipOptions;
  readonly #leaseMs: number;
  readonly #membership: Membership;
  readonly #tenures = new Map<string, Tenure>();
  readonly #owned = new Set<string>();
  /** Partition → monotonic ms until which this node leaves it to others. */
  readonly #left = new Map<string, number>();
  readonly #stats = { takeovers: 0, failedTakeovers: 0, losses: 0, handovers: 0, lastTakeoverMs: 0 };
  #holders = new Map<string, string>();
  #steady = false;
  #backoffMs = 0;
  #backoffUntil = 0;
  #stopping = false;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#membership = new Membership(options, {
      partitions: options.partitions,
      wants: () => this.#wants(),
      held: () => this.#held(),
      onBeat: (beat, held) => this.#onBeat(beat, held),
    });
  }

  /** Resolves after the first beat, whether or not Redis answered it. @throws UserError when Redis refuses us. */
  start(): Promise<void> {
    return this.#membership.start();
  }

  /** Drops everything, gives the leases back one by one and leaves, so that others take over without waiting for an end. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const ends = [...this.#tenures].map(([partition, tenure]) => this.#end(partition, tenure, 'stopping'));
    await Promise.all([this.#membership.beatAnew(), ...ends]);
    await this.#membership.stop();
  }

  /** All there are. */
  get partitions(): readonly string[] {
    return this.#options.partitions;
  }

  /** Taken, not being dropped; empty after a standstill longer than a lease until Redis has answered again. */
  get owned(): ReadonlySet<string> {
    return this.#membership.contact.confirmed ? this.#owned : NONE;
  }

  /** Another writer has it: PostgreSQL or Redis refused what this node wrote. */
  lost(partition: string): void {
    const tenure = this.#tenures.get(partition);
    if (tenure !== undefined) this.#lose(partition, tenure, 'another writer has it');
  }

  /** The live nodes, last known. */
  nodes(): readonly NodeInfo[] {
    return this.#membership.nodes();
  }

  /** Whether a node owned it when Redis answered last; null: not known. */
  isOwned(partition: string): boolean | null {
    return this.#membership.isOwned(partition);
  }

  /** This clock minus Redis'. */
  get skewMs(): number {
    return this.#membership.contact.skewMs;
  }

  /** Reasons for /readyz. Owning nothing is none: another node has it all. */
  notReady(): string[] {
    return this.#membership.contact.notReady();
  }

  stats(): OwnershipStats {
    return { ...this.#membership.stats, ...this.#stats };
  }

  #onBeat({ holders, steadyMs }: Beat, held: ReadonlySet<string>): void {
    this.#holders = new Map(holders);
    this.#steady = steadyMs >= this.#leaseMs + (this.#options.beatMs ?? BEAT_MS);
    for (const partition of held) {
      const tenure = this.#tenures.get(partition);
      const holder = holders.get(partition);
      if (tenure?.holdsLease && holder !== this.#me)
        this.#lose(partition, tenure, `${holder ?? 'another node'} took it`);
    }
    this.#takeShare();
    this.#giveSurplus();
  }

  #takeShare(): void {
    if (this.#stopping || !this.#steady || !this.#membership.contact.confirmed) return;
    const underWay = [...this.#tenures.values()].filter(({ begins }) => begins).length;
    for (const partition of toTake(this.#me, this.#shares()).slice(0, Math.max(0, TAKES_AT_ONCE - underWay))) {
      const tenure = new Tenure();
      this.#tenures.set(partition, tenure);
      tenure.work = this.#take(partition, tenure);
    }
  }

  /** One at a time, and only when everything has come to rest. */
  #giveSurplus(): void {
    if (this.#stopping || !this.#steady || !this.#membership.contact.confirmed) return;
    if ([...this.#tenures.values()].some(({ state }) => state !== 'owned')) return;
    const partition = toGive(this.#me, this.#shares());
    const tenure = partition === null ? undefined : this.#tenures.get(partition);
    if (partition === null || tenure === undefined) return;
    this.#stats.handovers++;
    this.#options.log.info({ partition }, 'handing a partition over to a node that has fewer');
    void this.#end(partition, tenure, 'handover');
  }

  /** Never rejects. */
  async #take(partition: string, tenure: Tenure): Promise<void> {
    const began = this.#now;
    if (!(await this.#acquire(partition))) {
      this.#tenures.delete(partition);
      return;
    }
    if (tenure.ending !== null) return this.#release(partition, tenure);
    tenure.state = 'taking';
    try {
      await this.#options.take(partition, tenure.signal);
    } catch (error) {
      if (tenure.ending === null) this.#backOff(partition, error);
      return this.#release(partition, tenure);
    }
    if (tenure.ending !== null) return this.#drop(partition, tenure, tenure.ending);
    tenure.state = 'owned';
    this.#owned.add(partition);
    this.#stats.takeovers++;
    this.#stats.lastTakeoverMs = Math.round(this.#now - began);
    this.#backoffMs = 0;
    this.#takeShare();
  }

  async #acquire(partition: string): Promise<boolean> {
    const sent = this.#now;
    try {
      const holder = await this.#membership.leases.acquire(partition);
      if (holder !== null) this.#holders.set(partition, holder);
      // After a late answer the lease may be over: it is asked for again.
      return holder === this.#me && this.#now - sent < this.#leaseMs;
    } catch (error) {
      this.#options.log.debug({ err: error, partition }, 'could not ask for a lease');
      return false;
    }
  }

  #backOff(partition: string, error: unknown): void {
    const others = this.nodes().some(({ id, wants }) => id !== this.#me && wants.includes(partition));
    const most = others ? MAX_BACKOFF_MS : MAX_BACKOFF_ALONE_MS;
    this.#backoffMs = Math.min(most, this.#backoffMs * 2 || FIRST_BACKOFF_MS);
    this.#backoffUntil = this.#now + this.#backoffMs;
    this.#stats.failedTakeovers++;
    this.#options.log.error({ err: error, partition, againInMs: this.#backoffMs }, 'could not take a partition over');
  }

  #lose(partition: string, tenure: Tenure, why: string): void {
    if (!tenure.holdsLease) return;
    this.#stats.losses++;
    this.#options.log.warn({ partition }, `lost a partition: ${why}`);
    void this.#end(partition, tenure, 'lost');
  }

  /** What is being taken sees by itself that it has to end. */
  #end(partition: string, tenure: Tenure, why: Why): Promise<void> {
    tenure.end(why);
    this.#owned.delete(partition);
    if (why !== 'stopping') this.#left.set(partition, this.#now + this.#leaseMs);
    if (tenure.state === 'owned') tenure.work = this.#drop(partition, tenure, why);
    return tenure.work;
  }

  /** Never rejects. */
  async #drop(partition: string, tenure: Tenure, why: Why): Promise<void> {
    tenure.state = 'dropping';
    try {
      await this.#options.drop(partition, why);
    } catch (error) {
      this.#options.log.error({ err: error, partition, why }, 'letting go of a partition failed');
    }
    await this.#release(partition, tenure);
  }

  async #release(partition: string, tenure: Tenure): Promise<void> {
    tenure.state = 'releasing';
    try {
      await this.#membership.leases.release(partition);
    } catch (error) {
      this.#options.log.debug({ err: error, partition }, 'could not give a lease back; it expires');
    }
    this.#tenures.delete(partition);
  }

  #held(): ReadonlySet<string> {
    return new Set([...this.#tenures].filter(([, { holdsLease }]) => holdsLease).map(([partition]) => partition));
  }

  #wants(): string[] {
    if (this.#stopping || this.#membership.contact.skewed || this.#now < this.#backoffUntil) return [];
    return this.#options.partitions.filter(
      (partition) =>
        this.#now >= (this.#left.get(partition) ?? 0) && this.#tenures.get(partition)?.state !== 'releasing',
    );
  }

  /** The latest beat's view, with what this node has done since. */
  #shares(): Shares {
    const holders = new Map([...this.#holders].filter(([, holder]) => holder !== this.#me));
    for (const [partition, { state }] of this.#tenures) if (state !== 'releasing') holders.set(partition, this.#me);
    const others = this.nodes().filter(({ id, roles }) => id !== this.#me && roles.includes('ingest'));
    const nodes = [...others, { id: this.#me, wants: this.#wants() }];
    return { partitions: this.#options.partitions, holders, nodes };
  }

  get #me(): string {
    return this.#options.node.id;
  }

  get #now(): number {
    return this.#membership.contact.now().monotonicMs;
  }
}
