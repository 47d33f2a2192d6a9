import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { type Asked, parsePromql } from './promql.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly query: unknown }[];
  };
}

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export const dashboard = JSON.parse(read('deploy/grafana/dashboards/candlecast.json')) as Dashboard;
export const alerts = (
  parse(read('deploy/prometheus/alerts.yml')) as { groups: { name: string; rules: Rule[] }[] }
).groups.flatMap(({ rules }) => rules);

/** As they are written, with Grafana's variables. */
export function expressionsOfDashboard(): string[] {
  return dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

/** As Prometheus gets them: a duration for Grafana's own variables, a text for those of the dashboard. */
export function queriesOfDashboard(): string[] {
  return expressionsOfDashboard().map((expr) =>
    expr.replace(/\$__(?:rate_interval|interval|range)\b/g, '5m').replace(/\$(?!__)(?:\w+|\{\w+\})/g, 'chosen'),
  );
}

export function metricsOfDashboard(): Asked[] {
  return queriesOfDashboard().flatMap(parsePromql);
}

export function metricsOfRules(): Asked[] {
  return alerts.flatMap(({ expr }) => parsePromql(expr));
}

/** The tables of docs/metrics.md. */
export function documentedMetrics(): { name: string; type: string; labels: string[] }[] {
  const rows = read('docs/metrics.md').matchAll(/^\| `(candlecast_\w+)` \| (\w+) \|([^|]*)\|/gm);
  return [...rows].map(([, name = '', type = '', labels = '']) => ({
    name,
    type,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label).sort(),
  }));
}
