import { readFileSync } from 'node:fs';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { UserError } from './errors.js';
import type { Log } from './log.js';
import { parseRedisUrl, REDIS_URL_RULE, type RedisTarget, redactRedisUrl } from './redis-url.js';

export { checkRedis } from './redis-check.js';
export { explainRedisError } from './redis-error.js';
export { isRedisUrl, parseRedisUrl, REDIS_URL_RULE, redactRedisUrl } from './redis-url.js';

export type RedisClient = Redis | Cluster;

/** Without the mapping of RESP3 replies, which changes the types of all commands. */
type Options = Omit<RedisOptions, 'replyMapping'>;

export interface RedisClientOptions {
  /** Of the connection, as CLIENT LIST and logs show it. */
  readonly name: string;
  readonly log: Log;
  /** A command without an answer rejects after this long. */
  readonly commandTimeoutMs?: number;
}

const COMMAND_TIMEOUT_MS = 1000;
const CONNECT_TIMEOUT_MS = 1000;
const LONGEST_PAUSE_MS = 500;

/**
 * A client that never queues: while Redis is away every command rejects at once, and none is sent twice. It reconnects by
 * itself, within half a second, and tells the log once when Redis is gone and once when it is back.
 * @throws UserError for a URL that is none, or whose CA file cannot be read.
 */
export function createRedis(url: string, options: RedisClientOptions): RedisClient {
  const target = requireTarget(url);
  const common = commonOptions(target, options);
  const client = target.kind === 'cluster' ? createCluster(target, common) : new Redis({ ...common, ...place(target) });
  logOutages(client, url, options);
  if (client instanceof Redis) neverEnd(client);
  return client;
}

/** A connection to one node of the cluster at `url`, of which every node takes the same login. */
export function createNodeRedis(url: string, host: string, port: number, options: RedisClientOptions): Redis {
  const node = new Redis({ ...commonOptions(requireTarget(url), options), host, port });
  // Whoever made it watches it by its state: its end says more than the error before it.
  node.on('error', () => {});
  neverEnd(node);
  return node;
}

/** Ends the connection without waiting for the other side, which may be frozen; the client connects anew by itself. */
export function resetConnection(client: Redis): void {
  client.stream?.destroy();
}

/** ioredis gives up when it is told to reconnect while it asks the sentinels: only we end a connection. */
function neverEnd(client: Redis): void {
  const closing = { disconnect: client.disconnect.bind(client), quit: client.quit.bind(client) };
  let closed = false;
  client.disconnect = (reconnect = false) => {
    closed ||= !reconnect;
    closing.disconnect(reconnect);
  };
  client.quit = (callback) => {
    closed = true;
    return closing.quit(callback);
  };
  client.on('end', () => {
    if (closed) return;
    setTimeout(() => {
      if (!closed && client.status === 'end') client.connect().catch(() => {});
    }, pauseMs(1));
  });
}

/** Ends it for good. */
export function closeRedis(client: RedisClient): void {
  client.disconnect();
  const nodes = client instanceof Redis ? [client] : client.nodes('all');
  for (const node of nodes) node.stream?.destroy();
}

function requireTarget(url: string): RedisTarget {
  const target = parseRedisUrl(url);
  if (target === null) throw new UserError(`REDIS_URL: ${redactRedisUrl(url)} must be ${REDIS_URL_RULE}`);
  return target;
}

function commonOptions(target: RedisTarget, options: RedisClientOptions): Options {
  const { username, password, db } = target;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(target.tls ? { tls: tlsOptions(target) } : {}),
    db,
    connectionName: options.name.replaceAll(' ', '-'),
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    commandTimeout: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: 100,
    maxLoadingRetryTime: LONGEST_PAUSE_MS,
    noDelay: true,
    keepAlive: 5000,
    retryStrategy: pauseMs,
  };
}

/** Soon after the first break, then ever later up to half a second; spread, so that not all nodes come at once. */
function pauseMs(attempt: number): number {
  return Math.round(Math.min(LONGEST_PAUSE_MS, 20 * 2 ** Math.min(attempt - 1, 6)) * (0.5 + Math.random() / 2));
}

function place(target: RedisTarget): Options {
  const [first] = target.hosts;
  if (target.kind === 'single' && first !== undefined) return { host: first.host, port: first.port };
  return {
    sentinels: [...target.hosts],
    name: target.master,
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: pauseMs,
    // A demoted master answers READONLY: the sentinels know the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

function createCluster(target: RedisTarget, common: Options): Cluster {
  const { enableOfflineQueue: _, retryStrategy: __, ...redisOptions } = common;
  return new Cluster([...target.hosts], {
    redisOptions,
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseMs,
    clusterNodeRetryStrategy: pauseMs,
    slotsRefreshTimeout: COMMAND_TIMEOUT_MS,
    slotsRefreshInterval: 1000,
    maxRedirections: 3,
    // Certificates name hosts, not addresses.
    ...(target.tls ? { dnsLookup: (address: string, done: (e: null, a: string) => void) => done(null, address) } : {}),
  });
}

function tlsOptions({ caFile }: RedisTarget): { ca?: string } {
  if (caFile === null) return {};
  try {
    return { ca: readFileSync(caFile, 'utf8') };
  } catch (error) {
    throw new UserError(`REDIS_URL: the file of ?ca=${caFile} cannot be read: ${(error as Error).message}`);
  }
}

function logOutages(client: RedisClient, url: string, { name, log }: RedisClientOptions): void {
  const where = redactRedisUrl(url);
  let away = false;
  client.on('error', (error: Error) => {
    if (!away) log.warn({ redis: where, connection: name, error: error.message }, 'Redis is away');
    away = true;
  });
  client.on('ready', () => {
    if (away) log.info({ redis: where, connection: name }, 'Redis is back');
    away = false;
  });
}
