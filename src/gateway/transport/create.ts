import type { Clock } from '../../kit/clock.js';
import { UserError } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { nodeTransport } from './node.js';
import type { CreateTransport, Listening } from './transport.js';
import { type Uws, uwsTransport } from './uws.js';

export type TransportChoice = 'auto' | 'uws' | 'node';

/** Loads the library; throws where its native binary does not fit this system. */
export type LoadUws = () => Promise<Uws>;

export interface TransportSettings {
  /** Default: alone. */
  readonly listening?: Listening;
  readonly load?: LoadUws;
}

const loadUws: LoadUws = async () => {
  const module: { default: Uws } = await import('uWebSockets.js');
  return module.default;
};

/**
 * @param choice `auto`: uWebSockets.js where its native binary loads (glibc, a Node version it was built for), else Node's
 * own http and ws, with one warning that says why. `uws` insists on it, `node` never tries it.
 */
export async function chooseTransport(
  choice: TransportChoice,
  log: Log,
  clock: Clock,
  { listening = 'alone', load = loadUws }: TransportSettings = {},
): Promise<CreateTransport> {
  if (choice === 'node') return nodeTransport(log, clock, listening);
  try {
    return uwsTransport(await load(), log, clock, listening);
  } catch (error) {
    const reason = firstLine(error);
    if (choice === 'uws') throw new UserError(`uWebSockets.js does not load here: ${reason}`);
    log.warn({ reason }, 'uWebSockets.js does not load here; serving with node:http and ws, at a lower capacity');
    return nodeTransport(log, clock, listening);
  }
}

function firstLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n').filter((line) => line !== '');
  return lines.join(' ');
}
