import type { AccountChange, AuthResult, Identity } from '../wire/identity.js';

/** What the gateway needs of accounts. */
export interface Authenticator {
  /** Whose access token or API key it is. Rejects when that cannot be told now. */
  authenticate(token: string): Promise<AuthResult>;
  /** What they are now who were accepted earlier, in their order. Rejects when that cannot be told now. */
  identitiesOf(accepted: readonly Identity[]): Promise<readonly AuthResult[]>;
  /** Called after each change that somebody's identity depends on, on whichever node; maybe twice. @returns what ends it. */
  onChange(listener: (change: AccountChange) => void): () => void;
}
