import type { Log } from '../kit/log.js';
import type { Interval } from '../market/interval.js';
import { type HttpRequest, type HttpResponse, problem } from '../wire/http.js';
import type { Entitlements } from '../wire/identity.js';
import { type AuthSource, refuse, whoSends } from './bearer.js';

/** `plan` null: everything. */
export type Reader = { readonly plan: Entitlements | null } | { readonly refusal: HttpResponse };

/** What requests for candles are held to: the plan of whoever sends a token, else that of visitors. */
export class Readers {
  /**
   * @param auth null: there are no accounts, and every request is a visitor's.
   * @param visitors null: everything.
   */
  constructor(
    private readonly auth: AuthSource | null,
    private readonly visitors: Entitlements | null,
    private readonly log: Log,
  ) {}

  /** At once for a visitor. */
  planOf(request: HttpRequest): Reader | Promise<Reader> {
    if (this.auth === null || request.header('authorization') === undefined) return { plan: this.visitors };
    return this.#sender(this.auth, request);
  }

  async #sender(auth: AuthSource, request: HttpRequest): Promise<Reader> {
    const sender = await whoSends(auth, request, this.log);
    if ('refusal' in sender) return sender;
    const refusal = refuse(sender.identity, null, 'candles');
    return refusal === null ? { plan: sender.identity.entitlements } : { refusal };
  }
}

/** null: the plan has the interval. */
export function refuseInterval(given: Entitlements | null, interval: Interval): HttpResponse | null {
  if (given === null || given.intervals === null || given.intervals.includes(interval)) return null;
  const { plan, intervals } = given;
  const detail = `The plan ${plan} gives the intervals ${intervals.join(' ')}, not ${interval}.`;
  return problem(403, 'Forbidden', detail, { code: 'plan_limit', plan, limit: 'intervals' });
}
