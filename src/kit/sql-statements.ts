/** What may hold a semicolon that ends no statement. Sticky; in the order of what begins with what. */
const LINE_COMMENT = /--[^\n]*/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const IDENTIFIER = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const QUOTED_IDENTIFIER = /"(?:[^"]|"")*"/y;
const STRING = /'(?:[^']|'')*'/y;
const ESCAPE_STRING = /[eE]'(?:[^'\\]|\\[\s\S]|'')*'/y;
const BLANK = /\s+/y;

/**
 * Splits an SQL script into its statements, without their semicolons. Knows strings (also E'…' and dollar-quoted),
 * quoted identifiers and comments (block comments nest). Comments between statements are dropped.
 * @throws SyntaxError when a string or comment is not closed.
 */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = -1;
  let at = 0;
  const finish = (end: number) => {
    if (start >= 0) statements.push(script.slice(start, end).trimEnd());
    start = -1;
  };
  while (at < script.length) {
    if (script[at] === ';') {
      finish(at);
      at++;
      continue;
    }
    const skipped = skipBlankOrComment(script, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    if (start < 0) start = at;
    at = skipToken(script, at);
  }
  finish(script.length);
  return statements;
}

function skipBlankOrComment(script: string, at: number): number {
  if (script.startsWith('/*', at)) return skipBlockComment(script, at);
  return match(LINE_COMMENT, script, at) ?? match(BLANK, script, at) ?? at;
}

function skipToken(script: string, at: number): number {
  const tagEnd = match(DOLLAR_TAG, script, at);
  if (tagEnd !== null) return skipDollarQuoted(script, at, tagEnd);
  const token = match(ESCAPE_STRING, script, at) ?? match(IDENTIFIER, script, at);
  if (token !== null) return token;
  const quoted = match(STRING, script, at) ?? match(QUOTED_IDENTIFIER, script, at);
  if (quoted !== null) return quoted;
  if (script[at] === "'" || script[at] === '"') throw unclosed(script, at);
  return at + 1;
}

function skipDollarQuoted(script: string, at: number, tagEnd: number): number {
  const tag = script.slice(at, tagEnd);
  const close = script.indexOf(tag, tagEnd);
  if (close < 0) throw unclosed(script, at);
  return close + tag.length;
}

function skipBlockComment(script: string, at: number): number {
  let depth = 0;
  let i = at;
  do {
    const open = script.indexOf('/*', i);
    const close = script.indexOf('*/', i);
    if (close < 0) throw unclosed(script, at);
    const opens = open >= 0 && open < close;
    depth += opens ? 1 : -1;
    i = (opens ? open : close) + 2;
  } while (depth > 0);
  return i;
}

function match(pattern: RegExp, script: string, at: number): number | null {
  pattern.lastIndex = at;
  return pattern.test(script) ? pattern.lastIndex : null;
}

function unclosed(script: string, at: number): SyntaxError {
  const line = script.slice(0, at).split('\n').length;
  return new SyntaxError(`line ${line}: ${script.slice(at, at + 20)}… is not closed`);
}
