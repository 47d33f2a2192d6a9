/** In JSON: NUL, and halves of surrogate pairs, which JSON.stringify escapes only where they stand alone. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

export const STORABLE_RULE = 'must not contain the character U+0000 or half of a surrogate pair';

/** Whether PostgreSQL can hold a text, or a value out of JSON as JSONB. Only for what is bounded in size and depth. */
export function isStorable(value: unknown): boolean {
  return isStorableJson(JSON.stringify(value));
}

/** The same of what JSON.stringify has made of it. */
export function isStorableJson(json: string): boolean {
  return !UNSTORABLE.test(json);
}
