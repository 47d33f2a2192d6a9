import { UserError } from './errors.js';
import { parseRedisUrl, redactRedisUrl } from './redis-url.js';

/** What went wrong between us and Redis, in words for the operator: what was found, and what to do. */
export function explainRedisError(error: unknown, url: string): UserError {
  if (error instanceof UserError) return error;
  const cause = rootCause(error);
  const where = redactRedisUrl(url);
  const advice = ADVICE.find(({ pattern }) => pattern.test(`${cause.code ?? ''} ${cause.message}`));
  const tls = parseRedisUrl(url)?.tls ?? false;
  if (advice !== undefined) return new UserError(`REDIS_URL ${where}: ${advice.say(tls)}`);
  return new UserError(`REDIS_URL ${where}: ${cause.message}`);
}

interface Cause {
  readonly message: string;
  readonly code?: string | undefined;
}

function rootCause(error: unknown): Cause {
  if (!(error instanceof Error)) return { message: String(error) };
  const { lastNodeError, errors } = error as { lastNodeError?: Error; errors?: Error[] };
  if (lastNodeError instanceof Error) return rootCause(lastNodeError);
  const message = error.message === '' ? (errors?.[0]?.message ?? error.name) : error.message;
  return { message, code: (error as NodeJS.ErrnoException).code };
}

const ADVICE: readonly { readonly pattern: RegExp; say(tls: boolean): string }[] = [
  {
    pattern: /WRONGPASS|invalid username-password|invalid password/,
    say: () => 'the user name or password is wrong; it belongs in front of the host: redis://user:password@host',
  },
  {
    pattern: /NOAUTH|HELLO must be called with/,
    say: () => 'it wants a password: redis://:password@host, or redis://user:password@host for an ACL user',
  },
  {
    pattern: /NOPERM|The user executing the script/,
    say: () =>
      'the user may not do what is needed: allow it in the ACL with `~PREFIX* &PREFIX* +@all -@admin -@dangerous +info` (PREFIX is REDIS_PREFIX)',
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN/,
    say: () => 'its host name is not known: correct it, or the name service of this machine',
  },
  {
    pattern: /All sentinels are unreachable(?!.*(NOAUTH|WRONGPASS))/,
    say: () =>
      'no sentinel answers, or none knows a master of this name: compare with `sentinel monitor` in sentinel.conf',
  },
  {
    pattern: /WRONG_VERSION_NUMBER|wrong version number|packet length too long/i,
    say: () => 'it speaks no TLS at this port: use redis:// instead of rediss://, or its TLS port',
  },
  {
    pattern: /SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CERT_|ERR_TLS_CERT|self-signed|certificate/i,
    say: () =>
      'its certificate is not trusted: name the CA that signed it with ?ca=FILE or NODE_EXTRA_CA_CERTS, and use the host name that it is made out to',
  },
  { pattern: /ECONNREFUSED/, say: () => 'nothing listens there: start Redis, or correct the host and port' },
  {
    pattern: /Protocol error|Unknown RESP type|Unexpected|RESP/i,
    say: () => 'what answers there is not Redis: check the host and port (and rediss:// if it wants TLS)',
  },
  {
    pattern: /cluster support disabled/i,
    say: () => 'it is not a cluster: use redis:// instead of redis-cluster://',
  },
  { pattern: /MOVED|CROSSSLOT/, say: () => 'it is a cluster: use redis-cluster:// instead of redis://' },
  {
    pattern: /ETIMEDOUT|timed out|EHOSTUNREACH|ENETUNREACH/,
    say: (tls) =>
      `it does not answer: check the address, firewalls between, and whether the process hangs${tls ? '; or it speaks no TLS at this port (redis://)' : ''}`,
  },
  {
    pattern: /ECONNRESET|Connection is closed|socket disconnected|socket hang up|EPIPE/,
    say: (tls) =>
      tls
        ? 'it ended the connection at once: perhaps it speaks no TLS (redis://) or wants a client certificate'
        : 'it ended the connection at once: perhaps it is no Redis, wants TLS (rediss://) or is protected (protected-mode, bind)',
  },
  { pattern: /READONLY/, say: () => 'it is a read-only replica: name the master, or use redis-sentinel://' },
];
