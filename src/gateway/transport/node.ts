import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { CreateTransport } from './transport.js';

export function nodeTransport(_log: Log, _clock: Clock): CreateTransport {
  throw new Error('not yet');
}
