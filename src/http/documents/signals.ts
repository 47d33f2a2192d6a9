import { z } from 'zod';
import { listedSignal, MAX_SIGNALS, readUpTo, signalsInBulk, signalToAll, signalToUsers } from '../../wire/signals.js';
import { SIGNAL_PARAMETERS } from '../signals.js';
import { badRequest, done, forbidden, refused, time, unauthorized, unavailable, uuid, withBody } from './answers.js';
import type { Section } from './operation.js';

const READ = { scope: 'signals:read' } as const;
const USER = '0198f0c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f';
const seq = z.int().nonnegative();
const count = z.int().nonnegative();

const delivered = z.strictObject({ index: count, id: uuid, user: uuid, seq });
const rejected = z.strictObject({
  index: count.describe('In the list that was sent.'),
  user: uuid,
  code: z.enum(['unknown_user', 'daily_limit']),
  plan: z.string().exactOptional(),
  limit: count.exactOptional(),
});

const away = unavailable('signals_unavailable', 'accounts_unavailable', 'busy');
const common = { 401: unauthorized, 403: forbidden(), 503: away };
const noSignal = refused('You have no signal with this id.', ['not_found']);

export const signalSection: Section = {
  name: 'Signals',
  description:
    'What a publisher, or a rule of yours, has to tell you. New ones come over WebSocket and server-sent events, on the channel `signals`.',
  operations: [
    {
      method: 'GET',
      path: '/v1/signals',
      id: 'listSignals',
      summary: 'Your signals, the newest first',
      access: READ,
      parameters: SIGNAL_PARAMETERS,
      answers: {
        200: {
          description: 'A page of them.',
          schema: z.strictObject({
            signals: z.array(listedSignal),
            next: z.string().nullable().describe('null: there is no more.'),
            stale: z.literal(true).exactOptional().describe('The database is away: there may be newer ones.'),
          }),
        },
        400: badRequest(),
        ...common,
      },
    },
    {
      method: 'POST',
      path: '/v1/signals',
      id: 'publishSignals',
      summary: 'Send signals',
      description: `For publishers: to a user, to a list of them, many at once (${MAX_SIGNALS} in all), or to all whose plan has signals on the symbol. They are in the database when the answer comes.`,
      access: { scope: 'signals:write', roles: ['publisher', 'admin'] },
      headers: {
        'Idempotency-Key': {
          description:
            'A text of your own, 1 to 255 printable characters: the same request with the same key is answered as before and written once. Needed for a signal to all.',
          schema: { type: 'string', minLength: 1, maxLength: 255 },
          example: 'order-4711',
          read: (text) => text,
        },
      },
      body: {
        schema: z.union([signalToUsers, signalsInBulk, signalToAll]),
        example: { type: 'breakout', symbol: 'BTCUSDT', to: USER, data: { level: '65.00' } },
      },
      answers: {
        200: {
          description: 'To several: which were delivered and which not. To all: how many.',
          schema: z.union([
            z.strictObject({ delivered: z.array(delivered), refused: z.array(rejected) }),
            z.strictObject({ written: count, refused: count }),
          ]),
          headers: { 'Idempotent-Replayed': '`true` where it was answered before.' },
        },
        201: {
          description: 'To one user: delivered.',
          schema: z.strictObject({ id: uuid, user: uuid, seq }),
          example: { id: '0198f0c2-b1b2-7c3d-8e4f-5a6b7c8d9e0f', user: USER, seq: 5 },
          headers: { 'Idempotent-Replayed': '`true` where it was answered before.' },
        },
        400: badRequest(),
        404: refused('There is no user with this id.', ['unknown_user']),
        409: refused('The key was used for another request.', ['key_reused']),
        429: refused('The user has had as many today as the plan gives.', ['daily_limit'], {
          plan: z.string(),
          limit: count,
        }),
        ...withBody,
        ...common,
      },
    },
    {
      method: 'POST',
      path: '/v1/signals/read',
      id: 'readSignalsTo',
      summary: 'Everything up to a seq is read',
      access: READ,
      body: { schema: readUpTo, example: { seq: 5 } },
      answers: {
        200: {
          description: 'Up to where everything is read now.',
          schema: z.strictObject({ seq }),
          example: { seq: 5 },
        },
        400: badRequest(),
        ...withBody,
        ...common,
      },
    },
    {
      method: 'POST',
      path: '/v1/signals/{id}/read',
      id: 'readSignal',
      summary: 'A signal is read',
      access: READ,
      answers: {
        200: { description: 'When it was read first.', schema: z.strictObject({ id: uuid, readAt: time }) },
        400: badRequest(),
        404: noSignal,
        ...common,
      },
    },
    {
      method: 'DELETE',
      path: '/v1/signals/{id}',
      id: 'deleteSignal',
      summary: 'Delete a signal',
      access: { scope: 'signals:write' },
      answers: { 204: done, 400: badRequest(), 404: noSignal, ...common },
    },
  ],
};
