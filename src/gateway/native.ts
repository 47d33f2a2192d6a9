import type { Clock } from '../kit/clock.js';
import { type Encoding, encode, type Frame, SUBPROTOCOLS } from '../wire/codec.js';
import { type HttpResponse, problem } from '../wire/http.js';
import { BEARER_PREFIX, LIMITS } from '../wire/messages.js';
import { isOriginAllowed } from '../wire/origin.js';
import { Connection } from './connection.js';
import { type Context, type ErrorDetails, reply, withId } from './context.js';
import type { Dialect, Place } from './dialect.js';
import { accept, verify } from './receive.js';
import type { UpgradeRequest } from './transport/transport.js';

export const STREAM_PATH = '/v1/stream';
export const PROTOCOL = 'candlecast.v1';

/** The protocol of docs/protocol.md. */
export class NativeDialect implements Dialect {
  readonly busy = 'a token is verified';

  constructor(
    /** Named in `welcome`. */
    private readonly server: string,
    private readonly origins: ReadonlySet<string>,
    private readonly clock: Clock,
  ) {}

  takes(path: string): boolean {
    return path === STREAM_PATH;
  }

  refuse(request: UpgradeRequest): HttpResponse | null {
    if (!isOriginAllowed(request.header('origin'), request.header('host'), this.origins))
      return problem(403, 'Forbidden', 'pages of this origin may not connect: the operator can allow it');
    const protocols = protocolProblem(request.protocols);
    return protocols === null ? null : problem(400, 'Bad Request', protocols);
  }

  create(request: UpgradeRequest, place: Place) {
    const protocol = request.protocols.find((name) => Object.hasOwn(SUBPROTOCOLS, name)) ?? null;
    const encoding: Encoding = (protocol && SUBPROTOCOLS[protocol]) || 'json';
    return { data: this.connection(encoding, place, bearerOf(request)), protocol };
  }

  connection(encoding: Encoding, { slot, tokens }: Place, bearer: string | null): Connection {
    return new Connection(this, encoding, slot, tokens, bearer);
  }

  opened(connection: Connection, context: Context): void {
    const { heartbeatMs } = context.limits;
    const time = this.clock.now();
    reply(connection, { type: 'welcome', protocol: PROTOCOL, server: this.server, time, heartbeatMs });
    const { bearer } = connection;
    connection.bearer = null;
    if (bearer !== null) verify(connection, bearer, undefined, context);
  }

  accept(connection: Connection, text: string | null, context: Context): void {
    accept(connection, text, context);
  }

  error({ id, channel, code, message, plan, limit }: ErrorDetails, { encoding }: Connection): Frame {
    const where = channel === undefined ? {} : { channel };
    const why = plan === undefined || limit === undefined ? {} : { plan, limit };
    return encode({ type: 'error', ...withId(id), ...where, code, message, ...why }, encoding);
  }

  farewell(): null {
    return null;
  }
}

function bearerOf({ protocols }: UpgradeRequest): string | null {
  return protocols.find((name) => name.startsWith(BEARER_PREFIX))?.slice(BEARER_PREFIX.length) ?? null;
}

/**
 * A browser insists on one of the protocols it offered, and the token is never sent back: beside a token an encoding must
 * be offered.
 */
function protocolProblem(offered: readonly string[]): string | null {
  const known = Object.keys(SUBPROTOCOLS).join(', ');
  if (offered.length === 0 || offered.some((name) => Object.hasOwn(SUBPROTOCOLS, name))) return tokenProblem(offered);
  if (offered.some((name) => name.startsWith(BEARER_PREFIX))) return `beside the token offer one of ${known}`;
  return `unknown subprotocol: one of ${known}, or none`;
}

function tokenProblem(offered: readonly string[]): string | null {
  const tokens = offered.filter((name) => name.startsWith(BEARER_PREFIX)).map((name) => name.length);
  if (tokens.length > 1) return 'offer one token only';
  const isGood = tokens.every(
    (length) => length > BEARER_PREFIX.length && length <= BEARER_PREFIX.length + LIMITS.tokenLength,
  );
  return isGood ? null : `a token has 1 to ${LIMITS.tokenLength} characters`;
}
