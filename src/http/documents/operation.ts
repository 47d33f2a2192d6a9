import type { z } from 'zod';
import type { Scope, UserRole } from '../../wire/identity.js';
import type { Parameters } from '../../wire/parameter.js';
import type { Route } from '../router.js';

/** An answer with one status. */
export interface Answer {
  readonly description: string;
  /** Of a body that is JSON. */
  readonly schema?: z.ZodType;
  /** Default: application/json, and application/problem+json from 400 on. */
  readonly type?: string;
  /** Of an answer that is text, or may be asked for as text. */
  readonly textType?: `text/${string}`;
  readonly example?: unknown;
  /** What the answer may carry beside the usual, by header. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** JSON. */
export interface Body {
  readonly schema: z.ZodType;
  readonly example: unknown;
  /** Of the same as text. */
  readonly textType?: string;
}

/** Who may. `visitors`: a token is not needed, but counts. */
export type Access = 'everybody' | 'visitors' | { readonly scope: Scope | null; readonly roles?: readonly UserRole[] };

/** One route as readers of the API see it. */
export interface Operation {
  readonly method: Route['method'];
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly parameters?: Parameters;
  /** Of requests, beside `Authorization`. */
  readonly headers?: Parameters;
  readonly body?: Body;
  readonly answers: Readonly<Record<number, Answer>>;
}

/** Operations that belong together. */
export interface Section {
  readonly name: string;
  readonly description: string;
  readonly operations: readonly Operation[];
}
