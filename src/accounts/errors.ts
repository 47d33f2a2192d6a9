/** Why something about an account cannot be done. None of them tells whether an account exists to somebody who may not know. */
export type AccountErrorCode =
  | 'invalid_credentials'
  | 'invalid_token'
  | 'token_expired'
  | 'revoked'
  | 'refresh_superseded'
  | 'too_many_attempts'
  | 'busy'
  | 'registration_closed'
  | 'bad_email'
  | 'weak_password'
  | 'not_found'
  | 'unknown_plan'
  | 'bad_dates'
  | 'scope_not_allowed'
  | 'too_many_keys'
  | 'own_account';

export class AccountError extends Error {
  override readonly name = 'AccountError';

  /** @param retryAfterMs when it is worth trying again; null = not at all as it is */
  constructor(
    readonly code: AccountErrorCode,
    message: string,
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}
