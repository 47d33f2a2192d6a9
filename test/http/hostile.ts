/** Requests that are bent out of good ones. */
export interface Bent {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A good one, as the corpus has it; `{{…}}` are filled in by whoever sends it. */
export interface Good {
  readonly method: string;
  readonly path: string;
  readonly token?: 'user' | 'admin' | 'key';
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export type Random = (below: number) => number;
type Path = readonly (string | number)[];

/** mulberry32: the same requests in every run. */
export function generator(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const nested = (open: string, close: string, levels: number) => open.repeat(levels) + close.repeat(levels);

/** JSON as text, for some of it is more than JSON.stringify would write. */
const TEXTS = [
  ...[
    '"\\u0000"',
    '"a\\u0000@example.com"',
    '"\\ud800"',
    '"x\\udc00y"',
    '"__proto__"',
    '"constructor"',
    '""',
    '" "',
    '"1m"',
  ],
  ...['"0000-01-01"', '"9999-12-31"', '"00000000-0000-0000-0000-000000000000"', `"${'x'.repeat(300)}"`],
];
const NUMBERS = [
  '0',
  '-1',
  '0.1',
  '1e999',
  '1e308',
  '9007199254740991',
  '9007199254740993',
  '8640000000000000',
  '1e15',
];
const SHAPES = [
  ...[
    'null',
    'true',
    '[]',
    '{}',
    '-0',
    '"\\\\u0000"',
    '"\\ud83d\\ude00"',
    '"\\u202e\\u2028"',
    '"all"',
    '"%"',
    '"$1"',
    '"2026-02-30"',
  ],
  ...['{"\\u0000":"\\ud800"}', '["\\udfff"]', '{"__proto__":{"role":"admin"}}', '{"constructor":1,"toString":null}'],
  ...['"\'; DROP TABLE users; --"', `"${'\\\\'.repeat(2000)}"`],
  ...[nested('[', ']', 5000), `${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}`, nested('{"all":[', ']}', 1000)],
];
const VALUES = [...TEXTS, ...NUMBERS, ...SHAPES];

const KEYS = ['__proto__', 'constructor', 'toString', '\0', '\ud800', '', 'role', 'id', 'x'.repeat(300)];
const METHODS = [
  'GET',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'get',
  '',
  '__proto__',
  'CONSTRUCTOR',
];
const PARTS = [
  ...['%00', '%ED%A0%80', '%', '%zz', '..', '%2e%2e%2f', '{id}', '__proto__', 'constructor', '', ' ', '\0', '\ud800'],
  ...['00000000-0000-0000-0000-000000000000', '019ab000-0000-7000-8000-00000000000G', 'x'.repeat(3000), '1', '💥'],
];
const QUERIES = [
  '%00',
  '%ED%A0%80',
  '%C3',
  '',
  '-1',
  '1e9',
  '0x10',
  'null',
  '%25',
  '%5C',
  '😀',
  'x'.repeat(3000),
  '1&limit=2',
];
const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ['content-type', ['text/plain', 'application/json; charset=utf-16', 'application/json\0', '', 'multipart/form-data']],
  [
    'authorization',
    ['', 'Bearer', 'Bearer \0', 'Bearer __proto__', `Bearer ${'a.'.repeat(3000)}b`, 'Basic dTpw', '\ud800'],
  ],
  ['origin', ['null', 'https://evil.example', '\0', 'http://[', 'file://']],
  ['host', ['', '\0', 'evil.example', 'x'.repeat(3000)]],
  ['idempotency-key', ['', '\0', '\ud800', 'é', 'x'.repeat(256), '__proto__']],
  ['x-request-id', ['\r\nx: y', '\0', 'x'.repeat(200)]],
];

/** What is to be put in the place of a value: all that is as bad of its kind, and some of another. */
export function hostileTo(value: unknown, random: Random): readonly string[] {
  const same = typeof value === 'string' ? TEXTS : typeof value === 'number' ? NUMBERS : [];
  return [...same, ...Array.from({ length: 4 }, () => VALUES[random(VALUES.length)] ?? 'null')];
}

/** Every place in a value, the whole of it included. */
export function placesIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, part]) => placesIn(part, [...path, key]))];
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((part, key) => (part as Readonly<Record<string, unknown>>)[key], value);
}

/** JSON of the value with `text` at the place. */
export function withAt(value: unknown, path: Path, text: string): string {
  const [key, ...rest] = path;
  if (key === undefined || typeof value !== 'object' || value === null) return text;
  const parts = Object.entries(value).map(([name, part]) => {
    const written = name === String(key) ? withAt(part, rest, text) : JSON.stringify(part);
    return Array.isArray(value) ? written : `${JSON.stringify(name)}:${written}`;
  });
  return Array.isArray(value) ? `[${parts.join(',')}]` : `{${parts.join(',')}}`;
}

/** One to three things about it are not as they should be. */
export function bend(good: Good, random: Random): Bent {
  const one = <T>(list: readonly [T, ...T[]] | readonly T[]): T => list[random(list.length)] as T;
  let { method, path } = good;
  const query: [string, string][] = Object.entries(good.query ?? {});
  const headers: Record<string, string> = { ...good.headers };
  let text = good.body === undefined ? '' : JSON.stringify(good.body);
  let body: Uint8Array | null = null;
  const bends = [
    () => {
      method = one(METHODS);
    },
    () => {
      const parts = path.split('/');
      parts[random(parts.length + 1)] = one(PARTS);
      path = parts.join('/');
    },
    () => {
      query.push([one([...query.map(([name]) => name), 'limit', '__proto__', '%00']), one(QUERIES)]);
    },
    () => {
      const [name, values] = one(HEADERS);
      headers[name] = one(values);
    },
    ...Array.from({ length: 4 }, () => () => {
      text = withAt(good.body, one(placesIn(good.body)), one(VALUES));
    }),
    () => {
      text = text.replace('{', () => `{${JSON.stringify(one(KEYS))}:${one(VALUES)},`);
    },
    () => {
      const at = random(text.length + 1);
      text =
        text.slice(0, at) +
        one(['"', '\\', '{', ']', ',', '\\u0000', '\\ud800', '0', 'e9']) +
        text.slice(at + random(4));
    },
    () => {
      const bytes = Buffer.from(text);
      for (let i = 0; i < 3 && bytes.length > 0; i++) bytes[random(bytes.length)] = one([0x00, 0x80, 0xc0, 0xed, 0xff]);
      body = bytes;
    },
  ];
  for (let left = 1 + random(3); left > 0; left--) one(bends)();
  return {
    method,
    path,
    query: query.map(([n, v]) => `${n}=${v}`).join('&'),
    headers,
    body: body ?? Buffer.from(text),
  };
}
