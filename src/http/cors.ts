import type { HttpRequest } from '../wire/http.js';

type Headers = Readonly<Record<string, string>>;

const PUBLIC_PREFIXES = ['/v1/', '/udf/'];
const PREFLIGHT_SECONDS = '86400';
const WRITES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const ANY_PAGE_SENDS = 'x-request-id';
const ALLOWED_PAGES_SEND = 'authorization, content-type, idempotency-key, x-request-id';
const ALLOWED_PAGES_READ = 'idempotent-replayed, retry-after, x-request-id';

/**
 * What browsers are told about pages of other sites: any page may read what is under /v1/ and /udf/, those of `allowed` may also send tokens
 * and write. Nothing is ever sent with cookies. @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export class Cors {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed origins, lower case; "*" is every one */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  preflight(request: HttpRequest, methods: readonly string[]): Headers {
    if (!isPublic(request)) return {};
    const mayAll = this.#isAllowed(request);
    if (!mayAll && !methods.includes('GET')) return {};
    return {
      'access-control-allow-methods': (mayAll ? [...methods, 'HEAD'] : ['GET', 'HEAD']).join(', '),
      'access-control-allow-headers': mayAll ? ALLOWED_PAGES_SEND : ANY_PAGE_SENDS,
      'access-control-max-age': PREFLIGHT_SECONDS,
    };
  }

  answer(request: HttpRequest): Headers {
    if (!isPublic(request)) return {};
    if (this.#isAllowed(request))
      return {
        'access-control-allow-origin': request.header('origin') ?? '*',
        'access-control-expose-headers': ALLOWED_PAGES_READ,
        vary: 'origin',
      };
    return WRITES.has(request.method) ? {} : { 'access-control-allow-origin': '*', vary: 'origin' };
  }

  #isAllowed(request: HttpRequest): boolean {
    const origin = request.header('origin');
    return origin !== undefined && (this.#allowed.has('*') || this.#allowed.has(origin.toLowerCase()));
  }
}

function isPublic({ path }: HttpRequest): boolean {
  return PUBLIC_PREFIXES.some((prefix) => path.startsWith(prefix));
}
