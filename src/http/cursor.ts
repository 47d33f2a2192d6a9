/** Cursors are opaque to clients: they hold the open time (epoch ms) of the next candle. */

const PREFIX = 'c1.';

export function encodeCursor(openTime: number): string {
  return Buffer.from(`${PREFIX}${openTime}`).toString('base64url');
}

/** @returns the open time, or null where the text is no cursor of ours. */
export function decodeCursor(text: string): number | null {
  const match = /^c1\.(-?\d{1,16})$/.exec(Buffer.from(text, 'base64url').toString('latin1'));
  return match === null || encodeCursor(Number(match[1])) !== text ? null : Number(match[1]);
}
