import { describe, expect, it } from 'vitest';
import { alerts, dashboard, expressionsOfDashboard, queriesOfDashboard } from '../support/monitoring.js';
import { parsePromql } from '../support/promql.js';
import { read } from './files.js';

/** As GitHub makes them of headings. */
const anchors = new Set(
  [...read('docs/operations.md').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  ),
);

describe('the dashboard', () => {
  it('has panels that are told apart, do not lie on each other, and say what they show', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    for (const [i, { gridPos: a, title }] of panels.entries()) {
      expect(a.x + a.w, title).toBeLessThanOrEqual(24);
      for (const { gridPos: b } of panels.slice(i + 1))
        expect(a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h, title).toBe(false);
    }
  });

  it('takes its data from whichever Prometheus is chosen', () => {
    const variables = new Map(dashboard.templating.list.map((variable) => [variable.name, variable]));
    expect(variables.get('datasource')).toMatchObject({ type: 'datasource', query: 'prometheus' });
    for (const { type, datasource, targets, title } of dashboard.panels) {
      if (type === 'row') continue;
      expect(datasource, title).toEqual({ type: 'prometheus', uid: expect.stringMatching(/^\$\{datasource\}$/) });
      const refs = targets?.map(({ refId }) => refId) ?? [];
      expect(refs.length, title).toBeGreaterThan(0);
      expect(new Set(refs).size, title).toBe(refs.length);
    }
    for (const expr of expressionsOfDashboard())
      for (const [, name = ''] of expr.matchAll(/\$(?!__)\{?(\w+)/g)) expect(variables.has(name), expr).toBe(true);
  });

  it('asks in PromQL, for counters by their rate and for quantiles by the bucket', () => {
    for (const expr of queriesOfDashboard()) requireSense(expr);
  });
});

describe('the alerts', () => {
  it('have a duration, a severity, a summary, and a place in the runbook', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    for (const rule of alerts) {
      expect(rule.alert).toMatch(/^Candlecast[A-Z]\w+$/);
      expect(rule.for, rule.alert).toMatch(/^\d+[sm]$/);
      expect(['critical', 'warning'], rule.alert).toContain(rule.labels.severity);
      expect(rule.annotations.summary?.length, rule.alert).toBeGreaterThan(20);
      const [file, anchor = ''] = (rule.annotations.runbook_url ?? '').split('#');
      expect(file, rule.alert).toBe('docs/operations.md');
      expect(anchors.has(anchor), `${rule.alert}: ${anchor}`).toBe(true);
    }
  });

  it('ask in PromQL', () => {
    for (const { expr } of alerts) requireSense(expr);
  });

  it('are those that the runbook has something for: no section without one but the rest', () => {
    const asked = new Set(alerts.map(({ annotations }) => annotations.runbook_url?.split('#')[1]));
    const runbook = /## Runbook\n(.*?)\n## /s.exec(read('docs/operations.md'))?.[1] ?? '';
    const sections = [...runbook.matchAll(/^### (.+)$/gm)].map(([, heading = '']) =>
      heading.toLowerCase().replaceAll(' ', '-'),
    );
    expect(sections.filter((section) => !asked.has(section))).toEqual([]);
  });
});

describe('links to sections', () => {
  it('of docs/metrics.md lead somewhere', () => {
    const links = [...read('docs/metrics.md').matchAll(/\(operations\.md#([\w-]+)\)/g)].map(
      ([, anchor = '']) => anchor,
    );
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([]);
  });
});

describe('the check of PromQL', () => {
  it.each([
    ['sum(rate(a_total[5m]))', [['a_total', '', 'rate sum']]],
    [
      'sum by (le) (rate(a_bucket{b="c",d!~"e"}[5m])) / on (x) group_left (y) b',
      [
        ['a_bucket', 'b d le x', 'rate sum'],
        ['b', 'x', ''],
      ],
    ],
    ['max_over_time((sum(a) by (b))[5m:1m]) # c', [['a', 'b', 'sum max_over_time']]],
    ['rate', [['rate', '', '']]],
    ['1 + 1', []],
  ])('finds what is asked for in %s', (text, found) => {
    const asked = parsePromql(text);
    const calls = asked.map(({ within }) => within.map(({ name }) => name).join(' '));
    expect(asked.map(({ metric, labels }, i) => [metric, labels.join(' '), calls[i]])).toEqual(found);
  });

  it.each([
    'sum(rate(a_total[5m])',
    'sum(a}',
    'ratee(a_total[5m])',
    'a{b}',
    'a{b=c}',
    'a{b="c"',
    'a{b="c',
    'a[5 minutes]',
    'a[$__rate_interval]',
    'sum by le (a)',
    'sum by (le) (a) / on (x) group_left b c',
    '{b="c"}',
    'rate(a_total)',
    'sum(a_total[5m])',
    'a[5m]',
    '',
  ])('refuses %j', (text) => {
    expect(() => parsePromql(text)).toThrow(SyntaxError);
  });

  it.each([
    '1 + 1',
    'sum(a_total)',
    'rate(a[5m])',
    'max_over_time(a_total[5m])',
    'histogram_quantile(0.9, a)',
    'histogram_quantile(0.9, rate(a_bucket[5m]))',
    'histogram_quantile(0.9, sum by (stage) (rate(a_bucket[5m])))',
    'histogram_quantile(0.9, sum without (le) (rate(a_bucket[5m])))',
    'sum by (le) (histogram_quantile(0.9, sum(rate(a_bucket[5m]))))',
    'histogram_quantile(0.9, sum by (le) (rate(a_total[5m])))',
    'sum(rate(a_bucket[5m]))',
  ])('sees no sense in %s', (text) => {
    expect(() => requireSense(text)).toThrow();
  });
});

/** Counters, and nothing else, by how they grow; buckets, and nothing else, put together by bound for a quantile. */
function requireSense(expr: string): void {
  const asked = parsePromql(expr);
  expect(asked.length, expr).toBeGreaterThan(0);
  for (const { metric, within } of asked) {
    const what = `${metric} in ${expr}`;
    const calls = within.map(({ name }) => name);
    expect(/^(?:rate|increase)$/.test(calls[0] ?? ''), what).toBe(/_(?:total|bucket|count|sum)$/.test(metric));
    expect(calls.includes('histogram_quantile'), what).toBe(metric.endsWith('_bucket'));
    if (!metric.endsWith('_bucket')) continue;
    expect(calls.slice(0, 3), what).toEqual(['rate', 'sum', 'histogram_quantile']);
    expect(within[1]?.by, what).toContain('le');
  }
}
