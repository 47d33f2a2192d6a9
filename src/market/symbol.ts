/** A symbol as it stands in channels, URLs and the table (VARCHAR(50)). */

export const SYMBOL_RULE =
  '1 to 50 characters of A-Z, 0-9, ".", "_" and "-", upper case, starting with a letter or digit';
export const SYMBOL_PATTERN = /^[A-Z0-9][A-Z0-9._-]{0,49}$/;

export function isSymbol(text: string): boolean {
  return SYMBOL_PATTERN.test(text);
}
