import { z } from 'zod';
import { isRedisUrl, REDIS_URL_RULE } from '../kit/redis-url.js';

/** The environment variables, their defaults and what is right. Values are text; an empty one counts as not set. */

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevel = (typeof LEVELS)[number];

function integer(min: number, max: number, unit: string) {
  const rule = `must be an integer from ${min} to ${max}${unit}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule);
}

function postgresUrl() {
  return z.string().refine(isPostgresUrl, 'must be a URL such as postgres://user:password@host:5432/database');
}

const ORIGIN = /^https?:\/\/[^\s/,]+$/;

/** @returns null where it is no list of origins. */
export function parseOrigins(text: string): readonly string[] | null {
  const origins = text
    .split(',')
    .map((origin) => origin.trim().toLowerCase())
    .filter((origin) => origin !== '');
  return origins.every((origin) => origin === '*' || ORIGIN.test(origin)) ? origins : null;
}

function httpUrl() {
  return z
    .string()
    .refine(
      (text) => URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol),
      'must be an http(s) URL',
    );
}

const ROLES = ['ingest', 'gateway', 'signals', 'analytics'] as const;

/** What a process does. `ingest` turns trades into candles, `gateway` serves clients, `signals` evaluates rules, `analytics` fills ClickHouse. */
export type Role = (typeof ROLES)[number];

const ROLES_RULE = `must be "all" or a list of ${ROLES.join(', ')}`;

/** @returns null where the text names something else. */
export function parseRoles(text: string): readonly Role[] | null {
  if (text.trim() === 'all') return ROLES;
  const named = text.split(',').map((role) => role.trim());
  return named.every((role) => (ROLES as readonly string[]).includes(role))
    ? ROLES.filter((r) => named.includes(r))
    : null;
}

function isPostgresUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  return ['postgres:', 'postgresql:'].includes(new URL(text).protocol);
}

export const VARIABLES = {
  PORT: integer(0, 65_535, ' (0 takes a free port)').default(8080),
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]+$/, 'must be a host name or an IP address')
    .default('127.0.0.1'),
  DATABASE_URL: postgresUrl().optional(),
  TIMESCALE_URL: postgresUrl().optional(),
  DATA_DIR: z.string().default('./data'),
  FEEDS: z.string().default('demo'),
  CLICKHOUSE_URL: httpUrl().optional(),
  REDIS_URL: z.string().refine(isRedisUrl, `must be ${REDIS_URL_RULE}`).optional(),
  REDIS_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,40}$/, 'must be 1 to 40 characters of A-Z, a-z, 0-9, ".", "_", ":" and "-"')
    .default(''),
  JWT_SECRET: z.string().optional(),
  JWKS_URL: httpUrl().optional(),
  JWT_ISSUER: z.string().max(255, 'must be at most 255 characters').optional(),
  JWT_AUDIENCE: z.string().max(255, 'must be at most 255 characters').optional(),
  PLANS: z.string().optional(),
  REGISTRATION: z.enum(['open', 'closed'], 'must be open (anybody may make an account) or closed').default('open'),
  ALLOWED_ORIGINS: z
    .string()
    .refine((text) => parseOrigins(text) !== null, 'must be a list of origins such as https://app.example.com')
    .default(''),
  TRUSTED_PROXIES: integer(0, 10, ' (proxies in front that append to X-Forwarded-For)').default(0),
  ROLES: z
    .string()
    .refine((text) => parseRoles(text) !== null, ROLES_RULE)
    .default('all'),
  WORKERS: integer(1, 256, ' (processes with the gateway role on one port)').default(1),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl().optional(),
  OTEL_SERVICE_NAME: z.string().max(255, 'must be at most 255 characters').default('candlecast'),
  LOG_LEVEL: z.enum(LEVELS, `must be one of ${LEVELS.join(', ')}`).default('info'),
  TRANSPORT: z
    .enum(['auto', 'uws', 'node'], 'must be auto, uws or node (auto: uWebSockets.js where it loads)')
    .default('auto'),
  COALESCE_MS: integer(0, 60_000, ' (milliseconds between updates of an open candle; 0 = every change)').default(250),
  GRACE_MS: integer(0, 3_600_000, ' (milliseconds a closed minute waits for late trades)').default(2000),
  SPOOL_MAX_MB: integer(1, 1_048_576, ' (megabytes)').default(1024),
  /** Fewer, and longer intervals could be made of minutes that are gone: the store refuses it. */
  RETENTION_DAYS: integer(7, 36_500, ' (days; not set = keep everything)').optional(),
} as const;

export const variablesSchema = z.object(VARIABLES);

export type Variables = z.infer<typeof variablesSchema>;
