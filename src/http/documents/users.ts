import { z } from 'zod';
import { ROLE, SUBSCRIPTION, USER_PARAMETERS } from '../users.js';
import { entitlements, userShape } from './accounts.js';
import { badRequest, done, forbidden, refused, unauthorized, unavailable, uuid, withBody } from './answers.js';
import type { Section } from './operation.js';

const ADMIN = { scope: null, roles: ['admin'] } as const;

const subscription = z
  .strictObject({
    id: uuid,
    plan: z.string(),
    startDate: z.iso.date(),
    endDate: z.iso.date().nullable().describe('The last day; null: none.'),
    status: z.string(),
  })
  .meta({ id: 'Subscription', description: 'Days are in UTC.' });

const common = { 400: badRequest(), 401: unauthorized, 403: forbidden(), 503: unavailable('accounts_unavailable') };
const noUser = refused('There is no such user.', ['not_found']);
const own = refused('Administrators cannot do this to themselves.', ['own_account']);

export const userSection: Section = {
  name: 'Users',
  description: 'For administrators. No API key may.',
  operations: [
    {
      method: 'GET',
      path: '/v1/auth/users',
      id: 'listUsers',
      summary: 'All users',
      access: ADMIN,
      parameters: USER_PARAMETERS,
      answers: {
        200: {
          description: 'A page of them; `next`, given as `after`, continues.',
          schema: z.strictObject({
            users: z.array(z.strictObject(userShape).meta({ id: 'User' })),
            next: uuid.nullable().describe('null: there is no more.'),
          }),
        },
        ...common,
      },
    },
    {
      method: 'GET',
      path: '/v1/auth/users/{id}',
      id: 'readUser',
      summary: 'A user, with plan and subscriptions',
      access: ADMIN,
      answers: {
        200: {
          description: 'The user.',
          schema: z.strictObject({ ...userShape, entitlements, subscriptions: z.array(subscription) }),
        },
        404: noUser,
        ...common,
      },
    },
    {
      method: 'DELETE',
      path: '/v1/auth/users/{id}',
      id: 'deleteUser',
      summary: 'Delete a user and all that is theirs',
      access: ADMIN,
      answers: { 204: done, 404: noUser, 409: own, ...common },
    },
    {
      method: 'PUT',
      path: '/v1/auth/users/{id}/role',
      id: 'setRole',
      summary: 'Give a role',
      access: ADMIN,
      body: { schema: ROLE, example: { role: 'publisher' } },
      answers: { 204: done, 404: noUser, 409: own, ...withBody, ...common },
    },
    {
      method: 'PUT',
      path: '/v1/auth/users/{id}/subscription',
      id: 'setSubscription',
      summary: 'Give a plan',
      access: ADMIN,
      body: { schema: SUBSCRIPTION, example: { plan: 'pro', endDate: '2030-12-31' } },
      answers: {
        200: { description: 'As it is now.', schema: subscription },
        404: noUser,
        ...withBody,
        ...common,
        400: badRequest('unknown_plan', 'bad_dates'),
      },
    },
    {
      method: 'DELETE',
      path: '/v1/auth/users/{id}/subscription',
      id: 'cancelSubscription',
      summary: 'Take a plan away',
      access: ADMIN,
      answers: { 204: done, 404: refused('There is no such user, or none is active.', ['not_found']), ...common },
    },
  ],
};
