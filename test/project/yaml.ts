/** Reads the subset of YAML that docker-compose.yml is kept to: block maps, flow lists of JSON strings, plain and quoted scalars. */

export type Yaml = string | string[] | { [key: string]: Yaml } | null;

interface Line {
  readonly indent: number;
  readonly text: string;
  readonly number: number;
}

const KEY = /^([A-Za-z0-9_.-]+):(?: (.+))?$/;

/** @throws Error naming the first line that is outside of the subset. */
export function parseYaml(text: string): { [key: string]: Yaml } {
  const lines = text.split('\n').map((raw, index) => ({
    indent: raw.length - raw.trimStart().length,
    text: raw.trim(),
    number: index + 1,
  }));
  const rest = lines.filter(({ text: line }) => line !== '' && !line.startsWith('#'));
  const map = readMap(rest, 0);
  const left = rest[0];
  if (left !== undefined) throw outside(left);
  return map;
}

function readMap(lines: Line[], indent: number): { [key: string]: Yaml } {
  const map: { [key: string]: Yaml } = {};
  for (let line = lines[0]; line !== undefined && line.indent === indent; line = lines[0]) {
    const [, key = '', value] = KEY.exec(line.text) ?? [];
    if (key === '' || Object.hasOwn(map, key)) throw outside(line);
    lines.shift();
    map[key] = value === undefined ? readBlock(lines, indent) : readScalar(value, line);
  }
  return map;
}

function readBlock(lines: Line[], indent: number): Yaml {
  const first = lines[0];
  if (first === undefined || first.indent <= indent) return null;
  return first.text.startsWith('- ') ? readList(lines, first.indent) : readMap(lines, first.indent);
}

function readList(lines: Line[], indent: number): string[] {
  const list: string[] = [];
  for (let line = lines[0]; line?.indent === indent && line.text.startsWith('- '); line = lines[0]) {
    const item = readScalar(line.text.slice(2), line);
    if (typeof item !== 'string') throw outside(line);
    list.push(item);
    lines.shift();
  }
  return list;
}

function readScalar(text: string, line: Line): string | string[] {
  if (text.startsWith('[')) return JSON.parse(text) as string[];
  if (text.startsWith('"')) return JSON.parse(text) as string;
  // Anchors, aliases, tags, block scalars, flow maps, comments behind a value, and words that YAML reads in surprising ways.
  if (/^[&*!|>{'%@`]|: | #|^(?:yes|no|on|off|null|~)$/i.test(text)) throw outside(line);
  return text;
}

function outside(line: Line): Error {
  return new Error(`line ${line.number} is not in the subset of YAML that is read here: ${line.text}`);
}
