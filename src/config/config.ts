import { UserError } from '../kit/errors.js';
import { probeDataDir } from './data-dir.js';
import { type Environment, readEnvironment } from './environment.js';
import { likelyTypos } from './typos.js';
import {
  type LogLevel,
  parseOrigins,
  parseRoles,
  type Role,
  VARIABLES,
  type Variables,
  variablesSchema,
} from './variables.js';

/** Everything the operator chose, validated. `F` is the type of a parsed feed. */
export interface Config<F> {
  readonly port: number;
  readonly host: string;
  /** null = the embedded engine. May hold a password: never log it. */
  readonly databaseUrl: string | null;
  readonly timescaleUrl: string | null;
  /** null = the embedded engine. May hold a password: never log it. */
  readonly clickhouseUrl: string | null;
  /** null = one process, without a bus. May hold a password: never log it. */
  readonly redisUrl: string | null;
  /** Before every key and channel in Redis. */
  readonly redisPrefix: string;
  readonly roles: readonly Role[];
  /** Whose access tokens are believed. Secrets: never log them. */
  readonly jwtSecret: string | null;
  readonly identityProvider: { readonly jwksUrl: string; readonly issuer: string; readonly audience: string } | null;
  /** JSON; null = the built-in plans. */
  readonly plans: string | null;
  /** Whether strangers may make accounts. */
  readonly registration: boolean;
  /** Lower case; besides our own host. */
  readonly allowedOrigins: readonly string[];
  /** Proxies between clients and here that append to X-Forwarded-For. */
  readonly trustedProxies: number;
  readonly workers: number;
  /** Absolute path of an existing, writable directory. */
  readonly dataDir: string;
  readonly feeds: readonly F[];
  readonly logLevel: LogLevel;
  /** Where traces go; null: nowhere. `url` may hold a password: never log it. */
  readonly traces: { readonly url: string; readonly service: string } | null;
  readonly transport: 'auto' | 'uws' | 'node';
  /** Time between updates of an open candle; 0 = every change. */
  readonly coalesceMs: number;
  readonly graceMs: number;
  readonly spoolMaxBytes: number;
  /** null = keep everything. */
  readonly retentionDays: number | null;
  /** To be logged once: variables that look misspelt. */
  readonly warnings: readonly string[];
}

/** Every error of the configuration at once. */
export class ConfigError extends UserError {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`the configuration is not valid:\n${problems.map((line) => `  - ${line}`).join('\n')}`);
  }
}

export type FeedParser<F> = (text: string) => { readonly specs: readonly F[] } | { readonly errors: readonly string[] };

/**
 * Reads the environment, each variable as NAME or as the content of the file NAME_FILE; makes DATA_DIR.
 * @throws ConfigError with all problems.
 */
export function loadConfig<F>(parseFeeds: FeedParser<F>, env: Environment = process.env): Config<F> {
  const names = Object.keys(VARIABLES);
  const { values, errors } = readEnvironment(env, names);
  const parsed = variablesSchema.safeParse(values);
  for (const issue of parsed.error?.issues ?? []) errors.push(`${issue.path.join('.')} ${issue.message}`);
  if (parsed.success) errors.push(...conflicts(parsed.data));
  const feeds = parseFeeds(values.FEEDS ?? 'demo');
  if ('errors' in feeds) errors.push(...feeds.errors.map((error) => `FEEDS: ${error}`));
  const dataDir = probeDataDir(values.DATA_DIR ?? './data');
  if ('error' in dataDir) errors.push(`DATA_DIR ${dataDir.error}`);
  if (!parsed.success || 'errors' in feeds || 'error' in dataDir || errors.length > 0) throw new ConfigError(errors);
  return freeze(parsed.data, feeds.specs, dataDir.path, likelyTypos(env, names));
}

/** What is right by itself but not together. */
function conflicts(v: Variables): string[] {
  const { ROLES, REDIS_URL, TIMESCALE_URL, DATABASE_URL, WORKERS } = v;
  const errors: string[] = [];
  if (v.JWKS_URL !== undefined && v.JWT_SECRET !== undefined)
    errors.push('JWT_SECRET and JWKS_URL are both set: tokens are made here or by a provider: set one');
  if (v.JWKS_URL !== undefined && (v.JWT_ISSUER === undefined || v.JWT_AUDIENCE === undefined))
    errors.push('JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE: tokens that were made for others must not be believed');
  const roles = parseRoles(ROLES) ?? [];
  const isPart = !roles.includes('ingest') || !roles.includes('gateway');
  if (isPart && REDIS_URL === undefined)
    errors.push(`REDIS_URL is missing: ROLES=${ROLES} is one node of several, which meet in Redis`);
  if (isPart && TIMESCALE_URL === undefined && DATABASE_URL === undefined)
    errors.push(`TIMESCALE_URL (or DATABASE_URL) is missing: ROLES=${ROLES} shares a database with the other nodes`);
  if (WORKERS > 1 && roles.join() !== 'gateway')
    errors.push('WORKERS needs ROLES=gateway: run the other roles as processes of their own');
  return errors;
}

function providerOf({ JWT_ISSUER = '', JWT_AUDIENCE = '' }: Variables, jwksUrl: string) {
  return { jwksUrl, issuer: JWT_ISSUER, audience: JWT_AUDIENCE };
}

/** The path of traces below the endpoint of all signals, as the OTLP exporter's specification has it. */
function tracesOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: service }: Variables) {
  return endpoint === undefined ? null : { url: `${endpoint.replace(/\/$/, '')}/v1/traces`, service };
}

function freeze<F>(v: Variables, feeds: readonly F[], dataDir: string, notes: readonly string[]): Config<F> {
  return Object.freeze({
    port: v.PORT,
    host: v.HOST,
    databaseUrl: v.DATABASE_URL ?? null,
    timescaleUrl: v.TIMESCALE_URL ?? v.DATABASE_URL ?? null,
    clickhouseUrl: v.CLICKHOUSE_URL ?? null,
    redisUrl: v.REDIS_URL ?? null,
    redisPrefix: v.REDIS_PREFIX,
    jwtSecret: v.JWT_SECRET ?? null,
    identityProvider: v.JWKS_URL === undefined ? null : providerOf(v, v.JWKS_URL),
    plans: v.PLANS ?? null,
    registration: v.REGISTRATION === 'open',
    allowedOrigins: Object.freeze(parseOrigins(v.ALLOWED_ORIGINS) ?? []),
    roles: Object.freeze(parseRoles(v.ROLES) ?? []),
    trustedProxies: v.TRUSTED_PROXIES,
    workers: v.WORKERS,
    dataDir,
    feeds: Object.freeze([...feeds]),
    logLevel: v.LOG_LEVEL,
    traces: tracesOf(v),
    transport: v.TRANSPORT,
    coalesceMs: v.COALESCE_MS,
    graceMs: v.GRACE_MS,
    spoolMaxBytes: v.SPOOL_MAX_MB * 1024 * 1024,
    retentionDays: v.RETENTION_DAYS ?? null,
    warnings: Object.freeze([...notes]),
  });
}
