import type { Arrival, ChannelOracle } from './channel-oracle.js';
import type { Crowd } from './crowd.js';
import type { Distribution } from './measure.js';

/**
 * Resolves when every channel of every client was told that its data is stale.
 * @param times gets the ms from `startedMs` (performance.now()) for each.
 */
export function untilStale(crowd: Crowd, startedMs: number, times: Distribution): Promise<void> {
  return untilOnEach(crowd, startedMs, times, ({ kind }) => kind === 'stale');
}

/** Resolves when every channel of every client has had something since `startedMs` that is not stale. */
export function untilHealed(crowd: Crowd, startedMs: number, times: Distribution): Promise<void> {
  return untilOnEach(crowd, startedMs, times, ({ kind }, channel) => kind !== 'stale' && !channel.stale);
}

async function untilOnEach(
  { clients }: Crowd,
  startedMs: number,
  times: Distribution,
  wanted: (arrival: Arrival, channel: ChannelOracle) => boolean,
): Promise<void> {
  const first = (channel: ChannelOracle) =>
    channel.arrivals.find((arrival) => arrival.atMs >= startedMs && wanted(arrival, channel));
  await Promise.all(
    clients.flatMap((client) =>
      [...client.channels.values()].map(async (channel) => {
        await client.until(() => first(channel) !== undefined);
        times.add((first(channel)?.atMs ?? Number.NaN) - startedMs);
      }),
    ),
  );
}
