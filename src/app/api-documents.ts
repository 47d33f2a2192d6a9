import { STREAM_PARAMETERS } from '../gateway/sse/request.js';
import { SSE_PATH } from '../gateway/sse/streams.js';
import { ENDPOINTS } from '../http/binance/endpoints.js';
import { accountSection } from '../http/documents/accounts.js';
import { analyticsSection } from '../http/documents/analytics.js';
import { asyncApi } from '../http/documents/asyncapi.js';
import { binanceSection } from '../http/documents/binance.js';
import { marketSection } from '../http/documents/market.js';
import { openApi } from '../http/documents/openapi.js';
import type { Section } from '../http/documents/operation.js';
import { operationSection } from '../http/documents/operations.js';
import type { Documents } from '../http/documents/routes.js';
import { ruleSection } from '../http/documents/rules.js';
import { signalSection } from '../http/documents/signals.js';
import { udfSection } from '../http/documents/udf.js';
import { userSection } from '../http/documents/users.js';
import type { Route } from '../http/router.js';
import { newRule, ruleChange } from '../signals/rules/document.js';
import { packageVersion } from './package.js';

type Served = Pick<Route, 'method' | 'path'>;

/** Everything that a server may have. */
export const SECTIONS: readonly Section[] = [
  marketSection(STREAM_PARAMETERS),
  analyticsSection,
  signalSection,
  ruleSection({ created: newRule, changed: ruleChange }),
  accountSection,
  userSection,
  binanceSection,
  udfSection,
  operationSection,
];

/** The documents of a server with these routes. `sockets`: it also has what is beside the router. @throws where one is not described */
export async function apiDocuments(routes: readonly Served[], sockets: boolean): Promise<Documents> {
  const beside = [SSE_PATH, ...Object.keys(ENDPOINTS).map((path) => `/api/v3/${path}`)];
  const served: readonly Served[] = sockets
    ? [...routes, ...beside.map((path): Served => ({ method: 'GET', path }))]
    : routes;
  const version = packageVersion();
  return { openApi: await openApi(version, SECTIONS, served), asyncApi: asyncApi(version, STREAM_PARAMETERS) };
}
