import { UserError } from '../kit/errors.js';

/** What an operator can do about an error code of the system or of PostgreSQL. */
const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: start the server, or correct the host and port',
  ECONNRESET: 'the connection was cut: is it a PostgreSQL server?',
  CONNECTION_CLOSED: 'the connection was closed: is it a PostgreSQL server?',
  CONNECT_TIMEOUT: 'it does not answer: correct the host and port, or open the firewall',
  ETIMEDOUT: 'it does not answer: correct the host and port, or open the firewall',
  NO_ANSWER: 'it is busy or frozen: try again when it answers',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that host',
  ENOTFOUND: 'there is no such host: correct the name',
  EAI_AGAIN: 'the name could not be looked up: correct it, or try again',
  ENOENT: 'there is no such socket: start the server, or correct the path',
  EACCES: 'the permissions of the socket forbid it',
  '28P01': 'correct the user or the password',
  '28000': "correct the user, or let it in with the server's pg_hba.conf",
  '3D000': 'create the database, or correct its name',
  '42P01': 'its schema is missing or old: "candlecast db migrate" brings it up to date',
  '42501': 'give the user the right to make tables and extensions',
  '53300': 'the server has no connection left',
  '57P03': 'the server is starting up or shutting down: try again',
};

/** Words for what went wrong with a database outside our hands; any other error as it was. Never tells the password. */
export function explainDatabaseError(error: unknown, url: string): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const advice = ADVICE[codeOf(error)] ?? ADVICE[codeOf(error.cause)];
  if (advice === undefined) return error;
  return new UserError(`the database at ${withoutPassword(url)} cannot be used: ${error.message}: ${advice}`, {
    cause: error,
  });
}

/** The same for work that uses the database. @throws what `work` throws, explained */
export async function explained<T>(url: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw explainDatabaseError(error, url);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function withoutPassword(url: string): string {
  return url.replace(/^(postgres(?:ql)?:\/\/[^:@/]*):[^@]*@/i, '$1@').replace(/\?.*$/s, '');
}
