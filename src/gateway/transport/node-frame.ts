import type { Frame } from '../../wire/codec.js';

/** RFC 6455 5.2: FIN and the opcode. */
const TEXT = 0x81;
const BINARY = 0x82;
const PING = 0x89;
const MAX_PING_BYTES = 125;

/** A whole unmasked WebSocket frame, header and payload in one buffer: made once per publish, written to many. */
export function encodeFrame(frame: Frame): Buffer {
  return typeof frame === 'string' ? wrap(TEXT, Buffer.from(frame, 'utf8')) : wrap(BINARY, frame);
}

export function encodePing(payload: string): Buffer {
  return wrap(PING, Buffer.from(payload, 'utf8').subarray(0, MAX_PING_BYTES));
}

function wrap(first: number, payload: Uint8Array): Buffer {
  const length = payload.byteLength;
  const headerBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const out = Buffer.allocUnsafe(headerBytes + length);
  out[0] = first;
  if (headerBytes === 2) out[1] = length;
  else if (headerBytes === 4) {
    out[1] = 126;
    out.writeUInt16BE(length, 2);
  } else {
    out[1] = 127;
    out.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    out.writeUInt32BE(length % 2 ** 32, 6);
  }
  out.set(payload, headerBytes);
  return out;
}
