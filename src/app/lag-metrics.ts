import type { GatewayStats } from '../gateway/stats.js';
import type { StageLag } from '../market/stage-lag.js';
import type { Metric } from '../ops/metrics.js';
import type { Ingest } from './ingest.js';

type Stages = readonly (readonly [stage: string, lag: StageLag])[];

/** How far behind the market candles are at each stage that this process has: trade → candle → bus → socket. */
export function lagMetrics(ingest: Ingest | null, stats: GatewayStats | null): Metric[] {
  const made: Stages = ingest === null ? [] : [['candle', ingest.lags.candle]];
  const served: Stages =
    stats === null
      ? []
      : [
          ['bus', stats.arrived],
          ['socket', stats.handed],
        ];
  const taken: Stages = ingest === null ? [] : [['trade', ingest.lags.trade]];
  const updates = [...taken, ...made, ...served];
  const closes = [...made, ...served];
  return [
    {
      name: 'stage_lag_seconds',
      help: "From the exchange's time of a trade to: taken in (trade, one of 16), in a published update (candle), arrived at the gateway (bus), handed to the sockets (socket).",
      labels: ['stage'],
      histograms: () => updates.map(([stage, lag]) => [{ stage }, lag.update]),
    },
    {
      name: 'close_lag_seconds',
      help: 'From the end of a minute to: its close published (candle), arrived at the gateway (bus), handed to the sockets (socket). GRACE_MS is a part of it.',
      labels: ['stage'],
      histograms: () => closes.map(([stage, lag]) => [{ stage }, lag.close]),
    },
  ];
}
