import type { Identity } from '../wire/identity.js';
import type { MessageId } from '../wire/messages.js';
import type { User } from './users.js';

export const DEFAULT_DEVICE = 'default';

/** An `ack` that is not written yet. */
export interface WaitingAck {
  readonly id: MessageId | undefined;
  readonly seq: number;
}

const NO_ACKS: readonly WaitingAck[] = [];

/** What an authenticated connection has beside an anonymous one. */
export class Login {
  /** It was told that its token is about to expire. */
  warned = false;
  /** It has a place among the connections of the user. */
  counted = true;
  /** Whose acknowledgements it sends. */
  device = DEFAULT_DEVICE;
  /** One acknowledgement is being written; the others wait for it. */
  acking = false;
  acks: readonly WaitingAck[] = NO_ACKS;

  constructor(
    readonly user: User,
    public identity: Identity,
  ) {}

  /** The acknowledgements that waited. */
  takeAcks(): readonly WaitingAck[] {
    const waiting = this.acks;
    this.acks = NO_ACKS;
    return waiting;
  }
}
