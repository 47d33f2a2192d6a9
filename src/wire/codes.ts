/**
 * Two vocabularies. An error is a reply: the connection goes on. A close ends the connection, and its range says whether
 * to come back: 1001, 1012, 1013 and 4000–4099: reconnect (with jitter) and resume; 1008 and 4100–4199: do not, fix the client first.
 */

export const ERROR_CODES = {
  invalid_json: 'The frame is not a JSON object.',
  invalid_message: 'A field is missing, unknown or of the wrong type; the message names it.',
  binary_not_accepted: 'Clients send text frames with JSON, also when they receive MessagePack.',
  unknown_op: 'No such op.',
  bad_channel: 'The channel name, symbol or interval is malformed.',
  unknown_symbol: 'No feed has this symbol and nothing is stored for it.',
  already_subscribed: 'The connection has this channel already.',
  not_subscribed: 'The connection does not have this channel.',
  too_many_channels: 'The limit of channels a connection is reached.',
  too_many_replays: 'The limit of replays is reached; the message says whose.',
  no_history: 'Nothing is stored of the symbol in the time that is to be replayed; the message says what is.',
  rate_limited: 'Too many messages; the message says how many are allowed.',
  history_unavailable: 'History cannot be read now; try again later.',
  auth_required: 'Only for authenticated connections: send `auth` first.',
  invalid_token: 'The token is none of this server, or was altered.',
  token_expired: 'The token has expired: refresh it.',
  token_revoked: 'The session of the token has ended, or the API key was revoked.',
  other_user: 'The connection belongs to another user: open one for this token.',
  missing_scope: 'The API key was not given the scope that this needs; the message names it.',
  plan_limit: 'The plan does not give this; `plan` and `limit` name what, the message says how much it gives.',
  unavailable: 'Accounts or signals cannot be reached now; try again later.',
  internal: 'An error of ours; it is logged.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export const CLOSE = {
  /** The server drains: reconnect, to any node, and resume. */
  goingAway: { code: 1001, reason: 'going away: reconnect and resume' },
  /** A frame above the inbound size limit. */
  tooBig: { code: 1009, reason: 'message too big' },
  /** The server has no room for this connection now. */
  tryAgainLater: { code: 1013, reason: 'try again later' },
  /** The client read too slowly for too long: reconnect and resume; nothing is lost. */
  slowConsumer: { code: 4001, reason: 'slow consumer: reconnect and resume' },
  /** Messages kept coming above the rate limit after it was named in replies. */
  rateLimited: { code: 4101, reason: 'rate limit exceeded' },
  /** The connection kept sending frames that are no messages. */
  protocolError: { code: 4102, reason: 'too many invalid messages' },
  /** Logged out, password changed, user deleted, key revoked, or too many wrong tokens: this token is of no use any more. */
  sessionEnded: { code: 4103, reason: 'session ended: log in again' },
  /** The token was not refreshed in time: refresh it, then reconnect and resume. */
  tokenExpired: { code: 4104, reason: 'token expired: refresh it and reconnect' },
  /** The plan has changed to one with fewer connections. */
  planLimit: { code: 4105, reason: 'more connections than the plan allows' },
} as const;
