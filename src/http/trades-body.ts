/** Nothing of the body could be read as trades. */
export class UnreadableBodyError extends Error {
  override readonly name = 'UnreadableBodyError';
}

const SHAPE = 'it must be {"trades":[…]}, an array of trades, or NDJSON as application/x-ndjson';

/** The trades of a request, not yet checked one by one. @throws UnreadableBodyError */
export function readTradesBody(body: Uint8Array, type: 'application/json' | 'application/x-ndjson'): unknown[] {
  const text = decode(body);
  return type === 'application/json' ? readJson(text) : readLines(text);
}

function decode(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new UnreadableBodyError('The body is not UTF-8.');
  }
}

function readJson(text: string): unknown[] {
  const value = parse(text);
  if (value === undefined) throw new UnreadableBodyError(`The body is not JSON: ${SHAPE}.`);
  if (Array.isArray(value)) return value;
  if (typeof value === 'object' && value !== null && 'trades' in value && Array.isArray(value.trades))
    return value.trades;
  throw new UnreadableBodyError(`The body holds no list of trades: ${SHAPE}.`);
}

/** A line that is not JSON becomes an item that is no trade, so that it is rejected under its own index. */
function readLines(text: string): unknown[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const items = lines.map(parse);
  if (items.length > 0 && items.every((item) => item === undefined))
    throw new UnreadableBodyError('No line of the body is JSON: NDJSON has one trade, as a JSON object, on each line.');
  return items;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
