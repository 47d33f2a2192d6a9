import type { Route } from '../router.js';
import { correlationResource } from './correlation.js';
import { dailyResource } from './daily.js';
import { drawdownResource } from './drawdown.js';
import { moversResource } from './movers.js';
import { type AnalyticsOptions, analyticsRoute } from './resource.js';
import { seasonalityResource } from './seasonality.js';
import { volatilityResource } from './volatility.js';
import { volumeResource } from './volume.js';

/** What closed days tell: /v1/analytics/*. */
export function analyticsRoutes(options: AnalyticsOptions): Route[] {
  return [
    analyticsRoute(options, dailyResource),
    analyticsRoute(options, moversResource),
    analyticsRoute(options, volatilityResource),
    analyticsRoute(options, drawdownResource),
    analyticsRoute(options, correlationResource),
    analyticsRoute(options, volumeResource),
    analyticsRoute(options, seasonalityResource),
  ];
}
