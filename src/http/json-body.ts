import type { z } from 'zod';
import { type HttpRequest, type HttpResponse, problem } from '../wire/http.js';

const MAX_BYTES = 16 * 1024;
const MAX_NAMED = 5;

/** The body as `schema` has it, or the answer that says what is wrong. Never repeats what was sent. */
export function readBody<T>(
  request: HttpRequest,
  schema: z.ZodType<T>,
  maxBytes: number = MAX_BYTES,
): { body: T } | { refusal: HttpResponse } {
  if (mediaType(request) !== 'application/json')
    return { refusal: problem(415, 'Unsupported media type', 'Send application/json (UTF-8).') };
  if (request.body.length > maxBytes)
    return { refusal: problem(413, 'Too large', `The body may have ${maxBytes} bytes.`) };
  const value = parse(request.body);
  if (value === undefined) return { refusal: bad('The body is not JSON in UTF-8.') };
  const parsed = schema.safeParse(value);
  if (parsed.success) return { body: parsed.data };
  return { refusal: bad(parsed.error.issues.slice(0, MAX_NAMED).map(explain).join(' ')) };
}

export function bad(detail: string): HttpResponse {
  return problem(400, 'Bad request', detail, { code: 'bad_request' });
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/** Names of fields are ours, but for those that are not known. */
function explain(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'There is a field that is not known here.';
  const path = issue.path.map(String).join('.');
  return `${path === '' ? 'The body' : `"${path}"`}: ${issue.message}.`;
}

function mediaType(request: HttpRequest): string {
  return (request.header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
