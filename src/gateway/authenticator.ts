import type { AccountChange, AuthResult, Identity } from '../wire/identity.js';

/** What the gateway needs of accounts. */
export interface Authenticator {
  /** Whose access token or API key it is. Rejects when that cannot be told now. */
  authenticate(token: string): Promise<AuthResult>;
  /** The same login, session or key, as it stands now. Rejects when that cannot be told now. */
  recheck(identity: Identity): Promise<AuthResult>;
  /** What has changed about a user is looked at again at once. @returns a function that removes the listener. */
  onChange(listener: (change: AccountChange) => void): () => void;
  /** Changes may have been missed: everybody is looked at again. @returns a function that removes the listener. */
  onMissed(listener: () => void): () => void;
}
