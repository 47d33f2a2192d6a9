/** A page in Prometheus's text format, as a scraper reads it. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** With the suffix of a histogram's part. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Families = ReadonlyMap<string, Family>;

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(,|$)/gy;

/** @throws where a line is none of the format, or a family is described twice or not at all. */
export function parsePage(text: string): Families {
  const families = new Map<string, Family & { samples: Sample[] }>();
  let current = '';
  for (const line of text.split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (families.has(name)) throw new Error(`${name} is described twice`);
      families.set(name, { name, type: '', help: rest, samples: [] });
      current = name;
    } else if (kind === 'TYPE') {
      const family = families.get(name);
      if (current !== name || family === undefined) throw new Error(`a type without help: ${name}`);
      families.set(name, { ...family, type: rest });
    } else if (line !== '' && !line.startsWith('#')) {
      const sample = parseSample(line);
      if (current === '' || !sample.name.startsWith(current)) throw new Error(`without a family: ${line}`);
      families.get(current)?.samples.push(sample);
    }
  }
  return families;
}

function parseSample(line: string): Sample {
  const [, name, inside = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`);
  const labels = Object.fromEntries([...inside.matchAll(LABEL)].map(([, key, text]) => [key, text]));
  const written = Object.entries(labels).map(([key, text]) => `${key}="${text}"`);
  if (written.join(',') !== inside) throw new Error(`no labels: ${line}`);
  return { name, labels, value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value) };
}
