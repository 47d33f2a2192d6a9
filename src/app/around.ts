import type { Config } from '../config/config.js';
import type { FeedSpec } from '../feed/spec.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { RedisClient } from '../kit/redis.js';
import type { Service } from '../kit/service.js';
import type { Tracer } from '../kit/tracer.js';
import type { Lifecycle } from '../ops/lifecycle.js';
import type { ProgressLines } from '../ops/progress.js';

/** What every part of a process is started with. */
export interface Around {
  readonly config: Config<FeedSpec>;
  readonly clock: Clock;
  readonly log: Log;
  readonly progress: ProgressLines;
  readonly lifecycle: Lifecycle;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** What the nodes of a cluster have in common. */
export interface Shared {
  readonly redis: RedisClient;
  readonly url: string;
  readonly node: string;
}

/** Something that runs already and has to be stopped in its turn. */
export function toStop(name: string, stop: () => Promise<void>): Service {
  return { name, start: async () => {}, stop };
}
