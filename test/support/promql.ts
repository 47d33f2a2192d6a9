import { parser } from '@prometheus-io/lezer-promql';

type Node = ReturnType<typeof parser.parse>['topNode'];

/** A metric that an expression asks for. */
export interface Asked {
  readonly metric: string;
  /** In its matchers, or by which it is put together or matched with others. */
  readonly labels: readonly string[];
  /** Whether over a time, as in `[5m]`, and not its newest value. */
  readonly isRange: boolean;
  /** The functions and aggregations that it stands in, the innermost first. */
  readonly within: readonly Call[];
}

interface Call {
  readonly name: string;
  /** Labels that an aggregation keeps, where it says which. */
  readonly by: readonly string[];
}

/** Those that take a time, and no newest value. */
const OF_RANGES = /^(?:i?rate|increase|i?delta|deriv|changes|resets|predict_linear|\w+_over_time)$/;

/**
 * What an expression asks for, by Prometheus's own grammar. That knows syntax and the names of functions but not types: that
 * ranges are where they are wanted is looked at here.
 * https://prometheus.io/docs/prometheus/latest/querying/basics/
 * @throws SyntaxError
 */
export function parsePromql(text: string): Asked[] {
  const asked: Asked[] = [];
  const textOf = ({ from, to }: { readonly from: number; readonly to: number }) => text.slice(from, to);
  parser.parse(text).iterate({
    enter: (at) => {
      // The grammar takes a string that is not closed.
      const isOpen = at.name === 'StringLiteral' && !/^(["'`]).*\1$/s.test(textOf(at));
      if (at.type.isError || isOpen) throw new SyntaxError(`at ${at.from}, "${text.slice(at.from)}": ${text}`);
      if (at.name === 'VectorSelector') asked.push(readSelector(at.node, textOf));
    },
  });
  for (const { metric, isRange, within } of asked) {
    const { name = '' } = within[0] ?? {};
    if (isRange !== OF_RANGES.test(name))
      throw new SyntaxError(`${metric} ${isRange ? 'with' : 'without'} a range in ${name || 'nothing'}: ${text}`);
  }
  return asked;
}

function readSelector(selector: Node, textOf: (node: Node) => string): Asked {
  const metric = selector.getChild('Identifier');
  if (metric === null) throw new SyntaxError(`a selector without a metric: ${textOf(selector)}`);
  const namesIn = (node: Node | null | undefined) => node?.getChildren('LabelName').map(textOf) ?? [];
  const matchers = selector.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
  const labels = matchers.flatMap(namesIn);
  const within: Call[] = [];
  let isRange = false;
  for (let around = selector.parent; around !== null; around = around.parent) {
    const modifier = around.getChild('AggregateModifier') ?? around.getChild('MatchingModifierClause');
    // Not what group_left brings, which comes second: that is of one side only.
    const grouped = namesIn(modifier?.getChild('GroupingLabels'));
    labels.push(...grouped);
    const called = around.getChild('FunctionIdentifier') ?? around.getChild('AggregateOp');
    if (called !== null) within.push({ name: textOf(called), by: modifier?.getChild('By') ? grouped : [] });
    else if (around.name === 'MatrixSelector' || around.name === 'SubqueryExpr') isRange ||= within.length === 0;
  }
  return { metric: textOf(metric), labels, isRange, within };
}
