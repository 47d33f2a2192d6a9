import { parseChannel } from '../../market/channel.js';
import type { Position } from '../../market/position.js';
import { type HttpRequest, type HttpResponse, problem } from '../../wire/http.js';
import { LIMITS } from '../../wire/messages.js';
import { type Parameters, readValues } from '../../wire/parameter.js';
import { parseEventId } from './event-id.js';

/** So that the address and `Last-Event-ID`, which names a position of each, fit into what a request may have for a head. */
export const MAX_STREAM_CHANNELS = 50;
export const STREAM_PARAMETERS = {
  channels: {
    description: `1 to ${MAX_STREAM_CHANNELS} names of channels, separated by commas.`,
    schema: { type: 'string', minLength: 1 },
    required: true,
    example: 'candles:BTCUSDT:1m,status',
    read: readChannels,
  },
  snapshot: {
    description: 'How many of the latest closed candles come first, for each channel.',
    schema: { type: 'integer', minimum: 0, maximum: LIMITS.snapshotCandles },
    example: 100,
    read: readSnapshot,
  },
  lastEventId: {
    description: 'As the header `Last-Event-ID`, which wins: the `id` of the last event seen.',
    schema: { type: 'string' },
    read: (text) => text ?? null,
  },
} as const satisfies Parameters;
const MAX_SHOWN = 60;

/** What a stream is asked for. */
export interface StreamRequest {
  readonly channels: readonly string[];
  readonly snapshot: number | null;
  /** One for each channel; null: it begins afresh. */
  readonly positions: readonly (Position | null)[];
  /** null: nobody's. */
  readonly token: string | null;
}

class BadRequest extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** @returns the answer that refuses it where it is malformed. */
export function readStreamRequest(request: HttpRequest): StreamRequest | { readonly refusal: HttpResponse } {
  try {
    const { channels, snapshot, ...given } = readValues(readQuery(request.query), STREAM_PARAMETERS);
    // A browser that comes back by itself sends the header with the address it began with.
    const lastEventId = request.header('last-event-id') || given.lastEventId || null;
    return {
      channels,
      snapshot,
      positions: lastEventId === null ? channels.map(() => null) : readPositions(lastEventId, channels),
      token: readToken(request.header('authorization')),
    };
  } catch (error) {
    if (error instanceof BadRequest)
      return { refusal: problem(400, 'Bad request', error.message, { code: error.code }) };
    throw error;
  }
}

function readQuery(query: URLSearchParams): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of query) {
    if (!Object.hasOwn(STREAM_PARAMETERS, name)) {
      const known = Object.keys(STREAM_PARAMETERS).join(', ');
      throw new BadRequest('invalid_message', `Unknown parameter "${shown(name)}"; known: ${known}.`);
    }
    if (values.has(name)) throw new BadRequest('invalid_message', `Parameter "${name}" is given more than once.`);
    values.set(name, value);
  }
  return values;
}

function readChannels(text: string | undefined): readonly string[] {
  if (text === undefined || text === '')
    throw new BadRequest('invalid_message', '"channels" is missing, such as channels=candles:BTCUSDT:1m,status.');
  const names = text.split(',');
  if (names.length > MAX_STREAM_CHANNELS)
    throw new BadRequest('too_many_channels', `The limit is ${MAX_STREAM_CHANNELS} channels a stream.`);
  for (const name of names) {
    const channel = parseChannel(name);
    if (typeof channel === 'string') throw new BadRequest('bad_channel', `"${shown(name)}": ${channel}.`);
  }
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) throw new BadRequest('invalid_message', `The channel ${twice} is named more than once.`);
  return names;
}

function readSnapshot(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= LIMITS.snapshotCandles) return value;
  const rule = `"snapshot" must be an integer from 0 to ${LIMITS.snapshotCandles}`;
  throw new BadRequest('invalid_message', `${rule}; it is "${shown(text)}".`);
}

function readPositions(lastEventId: string, channels: readonly string[]): readonly (Position | null)[] {
  const positions = parseEventId(lastEventId, channels);
  if (typeof positions !== 'string') return positions;
  throw new BadRequest('bad_event_id', `Last-Event-ID: ${positions}. Leave it out to begin afresh.`);
}

function readToken(header: string | undefined): string | null {
  if (header === undefined) return null;
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(header) ?? [];
  // None, or one that is too long, is as wrong as any other.
  return token.slice(0, LIMITS.tokenLength);
}

function shown(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > MAX_SHOWN ? `${clean.slice(0, MAX_SHOWN)}…` : clean;
}
