/** Strings (with their escapes) are passed over, so that only numbers outside of them are quoted. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const EXPONENT = /^(\d+)(?:\.(\d+))?[eE]([+-]?\d{1,3})$/;

/** JSON in which every number becomes the text it was written as: for venues that send prices as numbers. */
export function parseExact(text: string): unknown {
  return JSON.parse(text.replace(STRING_OR_NUMBER, (token) => (token.startsWith('"') ? token : `"${token}"`)));
}

/** A number's text without exponent, exactly: 2.5e-7 is 0.00000025. What is none is returned as it is. */
export function plainNumber(text: string): string {
  const match = EXPONENT.exec(text);
  if (match === null) return text;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const point = whole.length + Number(exponent);
  const digits = whole + fraction;
  if (point <= 0) return `0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return digits + '0'.repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws TypeError */
export function asFields(value: unknown): Fields {
  if (!isFields(value)) throw new TypeError('an object was expected');
  return value;
}

/** @throws TypeError */
export function asList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('a list was expected');
  return value;
}

/** A string as it is; anything else is no text, and no price. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The digits of an id or a time that is a JSON number. */
export function asDigits(value: unknown): string {
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : '';
}

/** ISO-8601 as the digits of epoch ms, cut off below; empty where it is none. */
export function isoToMs(value: unknown): string {
  const time = Date.parse(asText(value));
  return Number.isNaN(time) ? '' : String(time);
}

/** An id that has to be there. @throws TypeError */
export function requireId(digits: string): number {
  const id = Number(digits);
  if (digits === '' || !Number.isSafeInteger(id) || id < 0) throw new TypeError('a trade without an id');
  return id;
}
