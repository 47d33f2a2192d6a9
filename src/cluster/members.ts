import type { Service } from '../kit/service.js';
import { type ClusterOptions, type MemberStats, Membership } from './membership.js';
import type { NodeInfo } from './nodes.js';
import { PARTITIONS } from './partitions.js';

const NONE: ReadonlySet<string> = new Set();

/** The part of a node that owns nothing: it is seen by the others and sees them. */
export class Members implements Service {
  readonly name = 'members';
  readonly #membership: Membership;

  constructor(options: ClusterOptions) {
    const nothing = { wants: () => [], held: () => NONE, onBeat: () => {} };
    this.#membership = new Membership(options, { partitions: PARTITIONS, ...nothing });
  }

  /** Resolves after the first beat, whether or not Redis answered it. @throws UserError when Redis refuses us. */
  start(): Promise<void> {
    return this.#membership.start();
  }

  stop(): Promise<void> {
    return this.#membership.stop();
  }

  /** The live nodes, last known. */
  nodes(): readonly NodeInfo[] {
    return this.#membership.nodes();
  }

  /** Whether a node owned it when Redis answered last; null: not known. */
  isOwned(partition: string): boolean | null {
    return this.#membership.isOwned(partition);
  }

  /** Whether an ingest node has candles that the database lacks; null: not known, Redis is away. */
  isStoreBehind(): boolean | null {
    if (!this.#membership.contact.up) return null;
    return this.nodes().some(({ roles, spoolBehind }) => roles.includes('ingest') && spoolBehind > 0);
  }

  /** This clock minus Redis'. */
  get skewMs(): number {
    return this.#membership.contact.skewMs;
  }

  /** Reasons for /readyz. A clock that is off is none here: sockets do not depend on it. */
  notReady(): string[] {
    return this.#membership.contact.unreachable();
  }

  stats(): MemberStats {
    return { ...this.#membership.stats };
  }
}
