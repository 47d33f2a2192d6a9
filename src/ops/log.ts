import pino from 'pino';
import pretty from 'pino-pretty';
import type { Log } from '../kit/log.js';

/** Never in a log, at any depth that we log at. */
const SECRETS = ['password', 'token', 'authorization', 'url', '*.password', '*.token', '*.authorization', '*.url'];

/** Structured lines on standard error, each with the fields of `base`; readable ones where somebody looks at a terminal. */
export function createLog(level: string, terminal: boolean, base: object | null = null): Log {
  const options = { level, base, redact: { paths: SECRETS, censor: '[secret]' } };
  if (!terminal) return pino(options, pino.destination({ fd: 2, sync: true }));
  return pino(
    options,
    pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss', singleLine: true }),
  );
}
