import type { Interval } from '../market/interval.js';

export type UserRole = 'user' | 'publisher' | 'admin';

/** What an API key may be allowed to do. */
export const SCOPES = ['candles', 'signals:read', 'signals:write', 'rules'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a plan gives; each limit holds over the whole cluster. */
export interface Entitlements {
  readonly plan: string;
  /** WebSocket connections at a time. */
  readonly connections: number;
  /** Channels of one connection. */
  readonly channels: number;
  /** null = everything there is. */
  readonly historyDays: number | null;
  /** null = all. */
  readonly intervals: readonly Interval[] | null;
  readonly signalsPerDay: number;
  /** Symbols on which signals to everybody come, and rules may be made; null = all. */
  readonly signalSymbols: readonly string[] | null;
  readonly rules: number;
}

/** Who somebody is, as proved by an access token or an API key. */
export interface Identity {
  readonly userId: string;
  readonly role: UserRole;
  /** null = everything the role may; of an API key what it was given. */
  readonly scopes: readonly Scope[] | null;
  /** The login it comes from; null for an API key. */
  readonly sessionId: string | null;
  /** null for a token. */
  readonly keyId: string | null;
  /** Epoch ms; null = until it is revoked. */
  readonly expiresAt: number | null;
  readonly entitlements: Entitlements;
}

/** Why a token is not accepted. */
export type AuthFailure = 'invalid_token' | 'token_expired' | 'revoked';

export type AuthResult = Identity | { readonly failure: AuthFailure };

/** What has changed about a user; whoever holds identities of it looks again. `null` of the rest: all of them. */
export interface AccountChange {
  readonly userId: string;
  readonly sessionId: string | null;
  readonly keyId: string | null;
}
