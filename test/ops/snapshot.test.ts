import { describe, expect, it } from 'vitest';
import { DurationHistogram } from '../../src/kit/histogram.js';
import { Metrics, PREFIX, type Value } from '../../src/ops/metrics.js';
import { countersOf, merge, type Snapshot, sum } from '../../src/ops/snapshot.js';

/** What a process would say of these values. */
async function snapshotOf(values: Readonly<Record<string, number>>, across: Value['across'] = 'sum') {
  const metrics = Object.entries(values).map(([name, value]) => ({ name, help: 'Help.', across, read: () => value }));
  return new Metrics(metrics).snapshot();
}

async function merged(snapshots: readonly Snapshot[], past: Snapshot = []): Promise<string[]> {
  const byWorker = new Map(snapshots.map((snapshot, index) => [String(index + 1), snapshot]));
  return (await merge(byWorker, past, PREFIX).metrics()).split('\n');
}

describe('the metrics of several processes', () => {
  it('counters and gauges add up', async () => {
    const lines = await merged([await snapshotOf({ a_total: 2, b: 5 }), await snapshotOf({ a_total: 3, b: 7 })]);
    expect(lines).toContain('candlecast_a_total 5');
    expect(lines).toContain('candlecast_b 12');
    expect(lines.filter((line) => line === '# TYPE candlecast_a_total counter')).toHaveLength(1);
  });

  it.each([
    ['min', 0],
    ['max', 1],
    ['sum', 1],
  ] as const)('a gauge may be the %s', async (across, expected) => {
    const lines = await merged([await snapshotOf({ up: 1 }, across), await snapshotOf({ up: 0 }, across)]);
    expect(lines).toContain(`candlecast_up ${expected}`);
  });

  it('labels are kept apart', async () => {
    const by = (kind: string, value: number) =>
      new Metrics([{ name: 'a_total', help: 'Help.', labels: ['kind'], read: () => [[{ kind }, value]] }]).snapshot();
    const lines = await merged([await by('x', 1), await by('x', 2), await by('y', 4)]);
    expect(lines).toContain('candlecast_a_total{kind="x"} 3');
    expect(lines).toContain('candlecast_a_total{kind="y"} 4');
  });

  it('what is said of a process has its name, and nothing of it is left out', async () => {
    const own = await snapshotOf({});
    const lines = await merged([own, own]);
    for (const { name, values } of own) {
      if (values.length === 0) continue;
      for (const worker of ['1', '2'])
        expect(
          lines.filter((line) => line.startsWith(name) && line.includes(`worker="${worker}"`)).length,
          name,
        ).toBeGreaterThanOrEqual(values.length);
    }
  });

  it('histograms add up bucket by bucket, also with those of processes that ended', async () => {
    const timed = (...durationsMs: number[]) => {
      const histogram = new DurationHistogram();
      for (const durationMs of durationsMs) histogram.observe(durationMs);
      const histograms = () => [[{ stage: 'x' }, histogram]] as const;
      return new Metrics([{ name: 'lag_seconds', help: 'Help.', labels: ['stage'], histograms }]).snapshot();
    };
    const lines = await merged([await timed(3, 2000), await timed(3)], countersOf(await timed(90_000), PREFIX));
    expect(lines.filter((line) => line === '# TYPE candlecast_lag_seconds histogram')).toHaveLength(1);
    expect(lines).toContain('candlecast_lag_seconds_bucket{stage="x",le="0.0025"} 0');
    expect(lines).toContain('candlecast_lag_seconds_bucket{stage="x",le="0.005"} 2');
    expect(lines).toContain('candlecast_lag_seconds_bucket{stage="x",le="60"} 3');
    expect(lines).toContain('candlecast_lag_seconds_bucket{stage="x",le="+Inf"} 4');
    expect(lines).toContain('candlecast_lag_seconds_count{stage="x"} 4');
    expect(lines).toContain('candlecast_lag_seconds_sum{stage="x"} 92.006');
  });

  it('counters of those that ended go on counting, their gauges do not', async () => {
    const past = await sum([
      countersOf(await snapshotOf({ a_total: 2, b: 5 }), PREFIX),
      countersOf(await snapshotOf({ a_total: 3 }), PREFIX),
    ]);
    const lines = await merged([await snapshotOf({ a_total: 1, b: 1 })], past);
    expect(lines).toContain('candlecast_a_total 6');
    expect(lines).toContain('candlecast_b 1');
  });
});
