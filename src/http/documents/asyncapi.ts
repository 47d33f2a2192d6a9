import { z } from 'zod';
import { SUBPROTOCOLS } from '../../wire/codec.js';
import { CLOSE, ERROR_CODES } from '../../wire/codes.js';
import { BEARER_PREFIX, clientMessage, LIMITS } from '../../wire/messages.js';
import type { Parameters } from '../../wire/parameter.js';
import { serverMessage } from '../../wire/schemas.js';
import { ANSWERS, REQUESTS } from './messages.js';
import { type Json, Schemas } from './schemas.js';

const STREAM = 'stream';
const EVENTS = 'events';
const TOKEN = 'bearer';

const closeEvent = z.strictObject({ type: z.literal('close'), code: z.int(), reason: z.string() });

const CLOSE_EVENT: { readonly summary: string; readonly example: object } = {
  summary: 'The server ends the stream: the last event, of the type `close`.',
  example: { type: 'close', code: CLOSE.slowConsumer.code, reason: CLOSE.slowConsumer.reason },
};

const DESCRIPTION = `Live candles, signals and the health of feeds over one WebSocket. Every frame is one message. Clients send text frames with JSON of at most ${LIMITS.inboundBytes} bytes; the subprotocol chooses the encoding of what they get. Messages may gain members: ignore what you do not know. What clients send is read strictly.

Rules that a schema cannot tell (positions, resuming, slow readers, limits) are in docs/protocol.md. Binance's streams, at /ws and /stream, are in docs/binance.md. REST is described in [/openapi.json](/openapi.json).`;

/** AsyncAPI 3.0 of the native protocol, as the server sees it: it receives requests and sends messages. @see https://www.asyncapi.com/docs/reference/specification/v3.0.0 */
export function asyncApi(version: string, stream: Parameters): Json {
  const schemas = new Schemas('draft-07');
  const sent = clientMessage.options.map((option) => {
    const { value } = option.shape.op;
    return toMessage(value, REQUESTS[value], schemas.sent(option));
  });
  const answered = serverMessage.options.map((option) => {
    const { value } = option.shape.type;
    return toMessage(value, ANSWERS[value], schemas.answered(option));
  });
  const streamed = answered.filter(
    ({ name }) => !['pong', 'acked', 'channels', 'unsubscribed', 'replay_end'].includes(name),
  );
  const close = toMessage('close', CLOSE_EVENT, schemas.answered(closeEvent));
  return {
    asyncapi: '3.0.0',
    info: { title: 'Candlecast', version, description: DESCRIPTION, license: { name: 'MIT' } },
    defaultContentType: 'application/json',
    servers: {
      plain: { host: '{host}', protocol: 'ws', ...host, security: [{ $ref: `#/components/securitySchemes/${TOKEN}` }] },
      http: { host: '{host}', protocol: 'http', ...host, description: 'Server-sent events.' },
    },
    channels: {
      [STREAM]: {
        address: '/v1/stream',
        title: 'WebSocket',
        description: `A connection, on which \`subscribe\` begins channels: \`candles:{symbol}:{interval}\` with every change of the open candle, \`candles:{symbol}:{interval}:closed\` with final candles only, \`status\`, and, for users, \`signals\`.`,
        servers: [{ $ref: '#/servers/plain' }],
        messages: refs([...sent, ...answered]),
        bindings: { ws: { method: 'GET', headers: handshake(), bindingVersion: '0.1.0' } },
      },
      [EVENTS]: {
        address: '/v1/sse',
        title: 'Server-sent events',
        description: 'The same messages, one in the `data:` of each event. What is subscribed to is in the address.',
        servers: [{ $ref: '#/servers/http' }],
        messages: refs([...streamed, close]),
        bindings: { http: { method: 'GET', query: toObject(stream), bindingVersion: '0.3.0' } },
      },
    },
    operations: {
      ...Object.fromEntries(sent.map((message) => [message.name, toRequest(message)])),
      push: {
        action: 'send',
        channel: { $ref: `#/channels/${STREAM}` },
        summary: 'What comes without being asked for, or goes on after it.',
        messages: answered.map(({ name }) => ({ $ref: `#/channels/${STREAM}/messages/${name}` })),
      },
      stream: {
        action: 'send',
        channel: { $ref: `#/channels/${EVENTS}` },
        summary: 'Everything of a stream of server-sent events.',
        messages: [...streamed, close].map(({ name }) => ({ $ref: `#/channels/${EVENTS}/messages/${name}` })),
      },
    },
    components: {
      messages: Object.fromEntries([...sent, ...answered, close].map((message) => [message.name, message])),
      schemas: schemas.components,
      securitySchemes: {
        [TOKEN]: {
          type: 'httpApiKey',
          in: 'header',
          name: 'Sec-WebSocket-Protocol',
          description: `The message \`auth\`, or the subprotocol \`${BEARER_PREFIX}<token>\` beside one for the encoding. For server-sent events the header \`Authorization: Bearer\`. Never in an address. Candles and \`status\` need none.`,
        },
      },
    },
    'x-error-codes': ERROR_CODES,
    'x-close-codes': Object.fromEntries(Object.values(CLOSE).map(({ code, reason }) => [code, reason])),
  };
}

interface Message extends Json {
  readonly name: string;
}

function toMessage(name: string, { summary, example }: typeof CLOSE_EVENT, payload: Json): Message {
  return { name, title: name, summary, contentType: 'application/json', payload, examples: [{ payload: example }] };
}

const host = {
  variables: { host: { default: 'localhost:8080', description: 'Name and port of the server.' } },
};

function refs(messages: readonly Message[]): Json {
  return Object.fromEntries(messages.map(({ name }) => [name, { $ref: `#/components/messages/${name}` }]));
}

function toRequest({ name, summary }: Message): Json {
  const { replies } = REQUESTS[name as keyof typeof REQUESTS];
  const message = (type: string) => ({ $ref: `#/channels/${STREAM}/messages/${type}` });
  return {
    action: 'receive',
    channel: { $ref: `#/channels/${STREAM}` },
    summary,
    messages: [message(name)],
    reply: { channel: { $ref: `#/channels/${STREAM}` }, messages: [...replies, 'error'].map(message) },
  };
}

function handshake(): Json {
  const known = Object.entries(SUBPROTOCOLS).map(([name, encoding]) => `\`${name}\` (${encoding})`);
  const description = `Any of ${known.join(', ')}; without one, JSON. Beside it \`${BEARER_PREFIX}<token>\`.`;
  return { type: 'object', properties: { 'Sec-WebSocket-Protocol': { type: 'string', description } } };
}

function toObject(parameters: Parameters): Json {
  const entries = Object.entries(parameters);
  return {
    type: 'object',
    required: entries.filter(([, { required }]) => required === true).map(([name]) => name),
    properties: Object.fromEntries(
      entries.map(([name, { schema, description }]) => [name, { ...schema, description }]),
    ),
  };
}
