import { describe, expect, it } from 'vitest';
import { splitStatements } from '../../src/kit/sql-statements.js';

describe('splitStatements', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['plain statements', 'SELECT 1; SELECT 2', ['SELECT 1', 'SELECT 2']],
    ['empty statements and comments alone', ' ; -- nothing;\n /* nor; here */ ;', []],
    ['a semicolon in a string', "SELECT 'a;b'; SELECT 2;", ["SELECT 'a;b'", 'SELECT 2']],
    ['a doubled quote', "SELECT 'it''s;'; SELECT 2", ["SELECT 'it''s;'", 'SELECT 2']],
    ['a backslash is plain in a string', "SELECT '\\'; SELECT 2", ["SELECT '\\'", 'SELECT 2']],
    ['a backslash escapes in E strings', "SELECT E'\\';'; SELECT 2", ["SELECT E'\\';'", 'SELECT 2']],
    ['a name that ends in e before a string', "SELECT type'\\'; SELECT 2", ["SELECT type'\\'", 'SELECT 2']],
    ['a quoted identifier', 'SELECT ";""" FROM t; SELECT 2', ['SELECT ";""" FROM t', 'SELECT 2']],
    ['dollar quotes', 'DO $$ BEGIN; END $$; SELECT 2', ['DO $$ BEGIN; END $$', 'SELECT 2']],
    ['nested dollar tags', 'DO $a$ $b$;$$ $b$ $a$; SELECT 2', ['DO $a$ $b$;$$ $b$ $a$', 'SELECT 2']],
    ['a dollar within a name', 'SELECT a$b$; SELECT 2', ['SELECT a$b$', 'SELECT 2']],
    ['parameters', 'SELECT $1; SELECT $2', ['SELECT $1', 'SELECT $2']],
    ['a line comment within a statement', "SELECT 1 -- it's;\n, 2; SELECT 3", ["SELECT 1 -- it's;\n, 2", 'SELECT 3']],
    ['nested block comments', 'SELECT 1 /* a /* ; */ ; */, 2; SELECT 3', ['SELECT 1 /* a /* ; */ ; */, 2', 'SELECT 3']],
    ['a comment before a statement', '-- why;\nSELECT 1;', ['SELECT 1']],
  ];

  it.each(cases)('keeps %s', (_, script, expected) => {
    expect(splitStatements(script)).toEqual(expected);
  });

  it.each(["SELECT 'open", 'SELECT "open', 'DO $$ open', '/* open /* */'])('refuses %s', (script) => {
    expect(() => splitStatements(`SELECT 1;\n${script}`)).toThrow(/line 2: .* is not closed/);
  });
});
