import type { Clock } from '../../kit/clock.js';
import type { Connection } from '../connection.js';
import type { Context, ErrorDetails } from '../context.js';
import { planOf } from '../entitled.js';
import type { ReplaySource } from './source.js';
import { ReplayTurns } from './turns.js';

type Refusal = Pick<ErrorDetails, 'code' | 'message'>;

/** The replays of this process: how many there may be, and whose turn it is. */
export class Replays {
  readonly turns: ReplayTurns;
  readonly #byUser = new Map<string, number>();
  #active = 0;

  /** @param source null: nothing is stored. */
  constructor(
    readonly source: ReplaySource | null,
    clock: Clock,
  ) {
    this.turns = new ReplayTurns(clock);
  }

  get active(): number {
    return this.#active;
  }

  /** Takes a place. @returns what gives it back, or why there is none. */
  enter(connection: Connection, context: Context): (() => void) | Refusal {
    const { replays, replaysPerUser, replaysPerConnection } = context.limits;
    const { login } = connection;
    const plan = planOf(connection, context);
    const most = Math.min(replaysPerUser, plan?.connections ?? Number.POSITIVE_INFINITY);
    const user = login === null ? `@${connection.socket?.remoteAddress ?? ''}` : login.user.id;
    const own = this.#byUser.get(user) ?? 0;
    const tooMany = (message: string): Refusal => ({ code: 'too_many_replays', message });
    if (connection.replays.length >= replaysPerConnection)
      return tooMany(`the limit is ${replaysPerConnection} replays a connection at a time`);
    if (own >= most)
      return tooMany(`the limit is ${most} replays ${login === null ? 'an address' : 'a user'} at a time`);
    if (this.#active >= replays) return tooMany(`this server plays ${replays} replays at a time: try again later`);
    this.#count(user, 1, context);
    context.stats.replaysTotal++;
    return () => this.#count(user, -1, context);
  }

  #count(user: string, by: 1 | -1, { stats }: Context): void {
    const own = (this.#byUser.get(user) ?? 0) + by;
    if (own > 0) this.#byUser.set(user, own);
    else this.#byUser.delete(user);
    this.#active += by;
    stats.replays = this.#active;
  }
}
