import { z } from 'zod';
import type { Answer } from './operation.js';

/** Answers that many operations have. Schemas are strict: tests read live answers with them. */

export const RETRY_AFTER = { 'Retry-After': 'Seconds after which it is worth trying again.' };

const problemShape = {
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('What was wrong and what would be right.'),
};

/** RFC 9457. */
export const problem = z
  .strictObject({
    ...problemShape,
    code: z.string().exactOptional().describe('For programs; there where one status has several meanings.'),
    requestId: z.string().exactOptional(),
  })
  .meta({ id: 'Problem', description: 'Problem details (RFC 9457).' });

export type Codes = readonly [string, ...string[]];

/** A problem with one of these codes. `more`: members that it may have besides. */
export function refused(
  description: string,
  codes: Codes | null = null,
  {
    headers,
    ...more
  }: { headers?: Readonly<Record<string, string>> } & Partial<
    Record<'plan' | 'limit' | 'allowed' | 'errors', z.ZodType>
  > = {},
): Answer {
  const optional = Object.fromEntries(Object.entries(more).map(([name, schema]) => [name, z.exactOptional(schema)]));
  const code = codes === null ? {} : { code: z.enum(codes) };
  const isPlain = codes === null && Object.keys(optional).length === 0;
  const schema = isPlain ? plainProblem : z.strictObject({ ...problemShape, ...code, ...optional });
  return { description, schema, ...(headers === undefined ? {} : { headers }) };
}

const plainProblem = z
  .strictObject(problemShape)
  .meta({ id: 'PlainProblem', description: 'Problem details (RFC 9457).' });

export const unavailable = (...codes: Codes) => refused('Not now: try again later.', codes, { headers: RETRY_AFTER });

export const unauthorized = refused(
  'No token, or one that is not accepted.',
  ['auth_required', 'invalid_token', 'token_expired', 'revoked'],
  { headers: { 'WWW-Authenticate': 'Bearer.' } },
);

/** Of an operation of users: the role, the scope of the API key, or the page that sends is not one that may. */
export const forbidden = (...more: string[]) => refused('You may not.', ['forbidden', 'origin_not_allowed', ...more]);

export const badRequest = (...more: string[]) => refused('The request is wrong.', ['bad_request', ...more]);

/** Of everything that takes JSON: 413 comes from here, or, above 1 MiB, from the transport. */
export const withBody = {
  413: refused('The body is too large.'),
  415: refused('The body is not application/json.'),
} as const;

export const done: Answer = { description: 'Done.' };

export const uuid = z.uuid();
export const time = z.int().nonnegative().describe('Epoch milliseconds.');
