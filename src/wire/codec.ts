import { Packr } from 'msgpackr';
import type { ServerMessage } from './messages.js';

/** Encodings of server frames; the subprotocol chooses. Clients send JSON text in either. */
export type Encoding = 'json' | 'msgpack';

export const SUBPROTOCOLS: Readonly<Record<string, Encoding>> = {
  'candlecast.v1.json': 'json',
  'candlecast.v1.msgpack': 'msgpack',
};

export type Frame = string | Uint8Array;

const packr = new Packr({ useRecords: false, variableMapSize: true, mapsAsObjects: true });

/** A text frame for JSON, a binary frame for MessagePack (maps with the same keys). */
export function encode(message: ServerMessage, encoding: Encoding): Frame {
  return encoding === 'json' ? JSON.stringify(message) : packr.pack(message);
}
