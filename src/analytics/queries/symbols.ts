/**
 * The rows of some symbols: `symbols`, an array of texts. The key finds the ranges; in them, the stored code of a symbol is compared instead
 * of its text, which took more time than all else that is read. https://clickhouse.com/docs/sql-reference/functions/other-functions#indexhint
 */
export const OF_SYMBOLS = 'indexHint(symbol IN {symbols:Array(String)}) AND symbol_code IN {symbols:Array(String)}';

/** Where in `symbols` a row's symbol stands, from 1. */
export const PLACE =
  'toUInt16(transform(symbol_code, {symbols:Array(String)}, arrayEnumerate({symbols:Array(String)}), 0))';
