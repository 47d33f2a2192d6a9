/**
 * As much of PromQL as dashboards and alerts here use, read strictly: what is not known is an error.
 * https://prometheus.io/docs/prometheus/latest/querying/basics/
 */
export interface Asked {
  readonly metric: string;
  /** In its matchers, or by which it is put together. */
  readonly labels: readonly string[];
}

const FUNCTIONS = new Set(
  'abs absent absent_over_time ceil changes clamp_max clamp_min deriv delta histogram_quantile increase label_replace max_over_time min_over_time rate resets round time vector'.split(
    ' ',
  ),
);
const AGGREGATIONS = new Set(['sum', 'min', 'max', 'avg', 'count', 'topk', 'bottomk', 'quantile', 'count_values']);
const KEYWORDS = new Set('by without on ignoring group_left group_right bool and or unless offset'.split(' '));
const GROUPINGS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const TOKEN =
  /\s+|"(?:[^"\\]|\\.)*"|\[(?:\d+[smhdw]|\$__(?:rate_interval|interval|range))(?::\d*[smh]?)?\]|\d+(?:\.\d+)?(?:e[+-]?\d+)?|=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},]|\$?[a-zA-Z_:][a-zA-Z0-9_:]*/y;

/** What an expression asks for. @throws SyntaxError */
export function parsePromql(text: string): Asked[] {
  const tokens = tokensOf(text);
  requireBalance(tokens, text);
  const metrics: { metric: string; labels: string[] }[] = [];
  const grouped: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] ?? '';
    const next = tokens[i + 1];
    if (!/^[a-zA-Z_:]/.test(token)) continue;
    if (GROUPINGS.has(token)) {
      if (next !== '(') throw new SyntaxError(`${token} without a list: ${text}`);
      for (i += 2; tokens[i] !== ')'; i++) if (tokens[i] !== ',') grouped.push(tokens[i] ?? '');
    } else if (FUNCTIONS.has(token) || AGGREGATIONS.has(token)) {
      const isCall = next === '(' || (AGGREGATIONS.has(token) && GROUPINGS.has(next ?? ''));
      if (!isCall) throw new SyntaxError(`${token} is not called: ${text}`);
    } else if (!KEYWORDS.has(token)) {
      if (next === '(') throw new SyntaxError(`no function ${token}: ${text}`);
      const labels: string[] = [];
      if (next === '{') i = readMatchers(tokens, i + 2, labels, text);
      metrics.push({ metric: token, labels });
    }
  }
  if (metrics.length === 0) throw new SyntaxError(`asks for nothing: ${text}`);
  const [first] = metrics;
  // A grouping is of what stands in its parentheses; where there are several metrics, of each that has the label.
  if (metrics.length === 1 && first) first.labels.push(...grouped);
  return metrics;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) throw new SyntaxError(`at ${at}: ${text.slice(at)}`);
    if (token.trim() !== '') tokens.push(token);
  }
  return tokens;
}

/** From after the brace. @returns where it closes. */
function readMatchers(tokens: readonly string[], from: number, labels: string[], text: string): number {
  let i = from;
  while (tokens[i] !== '}') {
    const [label, operator, value] = tokens.slice(i, i + 3);
    const isMatcher = /^[a-zA-Z_]/.test(label ?? '') && /^(=|!=|=~|!~)$/.test(operator ?? '') && value?.startsWith('"');
    if (label === undefined || !isMatcher) throw new SyntaxError(`no matcher at ${label} ${operator}: ${text}`);
    labels.push(label);
    i += tokens[i + 3] === ',' ? 4 : 3;
  }
  return i;
}

function requireBalance(tokens: readonly string[], text: string): void {
  const open: string[] = [];
  const closes: Readonly<Record<string, string>> = { ')': '(', '}': '{' };
  for (const token of tokens) {
    if (token === '(' || token === '{') open.push(token);
    else if (token in closes && open.pop() !== closes[token]) throw new SyntaxError(`unbalanced: ${text}`);
  }
  if (open.length > 0) throw new SyntaxError(`unbalanced: ${text}`);
}
