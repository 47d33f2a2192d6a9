import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** Each folder may import from itself and from those listed: one direction, and stages never from each other. */
const STAGES = [
  'feed',
  'candles',
  'store',
  'bus',
  'cluster',
  'gateway',
  'accounts',
  'signals',
  'analytics',
  'http',
  'ops',
];
const BASE = ['kit', 'market', 'wire'];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  kit: [],
  market: ['kit'],
  wire: ['kit', 'market'],
  config: ['kit', 'market'],
  client: ['market', 'wire'],
  web: ['market', 'wire', 'client'],
  ...Object.fromEntries(STAGES.map((stage) => [stage, BASE])),
  app: [...BASE, ...STAGES, 'config'],
  'main.ts': [...BASE, 'config', 'app', 'ops'],
};
const LONGEST_FILE_LINES = 400;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(SRC, file), 'utf8') }));

const part = (file: string) => file.split('/')[0] ?? file;

function imports(file: string, text: string): { target: string; typeOnly: boolean }[] {
  const found = text.matchAll(/(import|export)\s+(type\s)?[^'"]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g);
  return [...found].map((match) => ({
    target: relative(SRC, normalize(join(SRC, dirname(file), match[3] ?? match[4] ?? ''))).replace(/\.js$/, '.ts'),
    typeOnly: match[2] !== undefined,
  }));
}

describe('imports', () => {
  it('point in one direction', () => {
    const wrong = files.flatMap(({ file, text }) =>
      imports(file, text)
        .map(({ target }) => ({ file, target }))
        .filter(({ target }) => part(target) !== part(file))
        .filter(({ target }) => !(MAY_IMPORT[part(file)] ?? []).includes(part(target))),
    );
    expect(wrong).toEqual([]);
  });

  it('have no cycles', () => {
    const graph = new Map(
      files.map(({ file, text }) => [
        file,
        imports(file, text)
          .filter((i) => !i.typeOnly)
          .map((i) => i.target),
      ]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file) || path.includes(file)) return;
      for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const { file } of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

describe('style', () => {
  const outside = (homes: readonly string[], pattern: RegExp) =>
    files
      .filter(({ file }) => !homes.some((home) => file.startsWith(home)))
      .filter(({ text }) => pattern.test(text.replace(/^\s*(\*|\/\/|\/\*).*$/gm, '')))
      .map(({ file }) => file);

  it('reads the environment only in config', () => {
    expect(outside(['config/'], /process\.env\b/)).toEqual([]);
  });

  it('reads the clock only in kit and in the browser', () => {
    expect(outside(['kit/clock.ts', 'web/'], /\bDate\.now\(|\bnew Date\(\)/)).toEqual([]);
  });

  it('keeps files to one thing', () => {
    const long = files.filter(({ text }) => text.split('\n').length > LONGEST_FILE_LINES).map(({ file }) => file);
    expect(long).toEqual([]);
  });

  it('leaves no unfinished notes', () => {
    expect(outside([], /\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([]);
  });
});
