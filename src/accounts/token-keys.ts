import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../kit/errors.js';
import { newSecret } from './secrets.js';

/** What access tokens are signed with. */
export interface TokenKey {
  /** Names the key in the header of its tokens. */
  readonly kid: string;
  readonly key: KeyObject;
}

export const JWT_SECRET_RULE =
  'must be at least 32 bytes, such as the output of "openssl rand -base64 48"; or several as "id:secret,id2:secret2", of which the first signs';

const MIN_BYTES = 32;
const NAMED = /^([A-Za-z0-9._-]{1,32}):(.+)$/;
/** Below DATA_DIR. */
export const OWN_SECRET_FILE = 'jwt-secret';

/** JWT_SECRET: one secret, or a list of named ones. @throws UserError that does not repeat any of it */
export function parseTokenKeys(text: string): readonly TokenKey[] {
  const parts = text.split(',').map((part) => NAMED.exec(part.trim()));
  const named = parts.every((part) => part !== null);
  const keys = named ? parts.map((part) => toKey(part?.[1] ?? '', part?.[2] ?? '')) : [toKey(fingerprint(text), text)];
  if (new Set(keys.map(({ kid }) => kid)).size !== keys.length)
    throw new UserError('JWT_SECRET has two secrets of one id: give each its own');
  return keys;
}

/** The secret of a server that was given none, kept in its data directory, readable by its owner only. */
export async function ownSecret(dataDir: string): Promise<{ readonly secret: string; readonly created: boolean }> {
  const path = join(dataDir, OWN_SECRET_FILE);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      const secret = newSecret();
      await file.writeFile(`${secret}\n`);
      await file.sync();
      return { secret, created: true };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    return { secret: (await readFile(path, 'utf8')).trim(), created: false };
  }
}

function toKey(kid: string, secret: string): TokenKey {
  const bytes = Buffer.from(secret);
  if (bytes.length < MIN_BYTES)
    throw new UserError(
      `JWT_SECRET ${JWT_SECRET_RULE}; it has ${bytes.length} bytes where it should have ${MIN_BYTES}`,
    );
  return { kid, key: createSecretKey(bytes) };
}

/** The same on every node that has the secret. */
function fingerprint(secret: string): string {
  return createHash('sha256').update(`kid ${secret}`).digest('hex').slice(0, 8);
}
