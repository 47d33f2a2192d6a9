/** The forms of REDIS_URL. */

export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** Where Redis is; for a sentinel URL where the sentinels are. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Name of the master that the sentinels watch; '' otherwise. */
  readonly master: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  /** File with the certificate authority that signed Redis' certificate, from `?ca=`. */
  readonly caFile: string | null;
}

const SCHEMES: Readonly<Record<string, { kind: RedisTarget['kind']; tls: boolean; port: number }>> = {
  redis: { kind: 'single', tls: false, port: 6379 },
  rediss: { kind: 'single', tls: true, port: 6379 },
  'redis-sentinel': { kind: 'sentinel', tls: false, port: 26379 },
  'redis-cluster': { kind: 'cluster', tls: false, port: 6379 },
  'rediss-cluster': { kind: 'cluster', tls: true, port: 6379 },
};
const URL_PATTERN = /^([a-z-]+):\/\/(?:([^@/\s]*)@)?([^@/?\s]+)(?:\/([^?\s]*))?(?:\?(\S*))?$/;
const HOST_PATTERN = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

export const REDIS_URL_RULE =
  'redis://[user:password@]host[:port][/db], rediss://… (TLS), redis-sentinel://host[:port][,…]/master, ' +
  'redis-cluster://host[:port][,…] or rediss-cluster://… (TLS)';

export function isRedisUrl(text: string): boolean {
  return parseRedisUrl(text) !== null;
}

/** @returns null where it is not one of REDIS_URL_RULE. */
export function parseRedisUrl(text: string): RedisTarget | null {
  const [, name = '', user, hosts = '', path = '', query = ''] = URL_PATTERN.exec(text) ?? [];
  const scheme = SCHEMES[name];
  if (scheme === undefined) return null;
  const addresses = hosts.split(',').map((one) => parseHost(one, scheme.port));
  const known = addresses.filter((address) => address !== null);
  if (known.length !== addresses.length || (scheme.kind === 'single' && known.length !== 1)) return null;
  const [master = '', db = ''] = scheme.kind === 'sentinel' ? path.split('/') : ['', path];
  if ((scheme.kind === 'sentinel' && master === '') || !/^\d{0,5}$/.test(db)) return null;
  if (scheme.kind === 'cluster' && Number(db) !== 0) return null;
  const login = parseLogin(user);
  if (login === null) return null;
  const caFile = new URLSearchParams(query).get('ca');
  return { kind: scheme.kind, tls: scheme.tls, hosts: known, master, ...login, db: Number(db), caFile };
}

/** The URL for logs and messages: without what must stay secret. */
export function redactRedisUrl(text: string): string {
  const target = parseRedisUrl(text);
  if (target === null) return 'REDIS_URL';
  const scheme = text.slice(0, text.indexOf(':'));
  const hosts = target.hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  return `${scheme}://${hosts}${target.master === '' ? '' : `/${target.master}`}${target.db === 0 ? '' : `/${target.db}`}`;
}

function parseHost(text: string, defaultPort: number): { host: string; port: number } | null {
  const match = HOST_PATTERN.exec(text);
  if (match === null) return null;
  const port = match[2] === undefined ? defaultPort : Number(match[2]);
  if (port < 1 || port > 65_535) return null;
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port };
}

function parseLogin(user: string | undefined): { username: string | undefined; password: string | undefined } | null {
  if (user === undefined) return { username: undefined, password: undefined };
  const colon = user.indexOf(':');
  try {
    const username = decodeURIComponent(colon < 0 ? user : user.slice(0, colon));
    const password = colon < 0 ? undefined : decodeURIComponent(user.slice(colon + 1));
    // A name without a password logs nobody in.
    if (password === undefined) return null;
    return { username: username === '' ? undefined : username, password };
  } catch {
    return null;
  }
}
