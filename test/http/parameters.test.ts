import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { SECTIONS } from '../../src/app/api-documents.js';
import type { Parameter } from '../../src/wire/parameter.js';

/** What callers send, right and wrong. */
const TEXTS = [
  ...['0', '1', '2', '50', '100', '500', '501', '1000', '1001', '10000', '10001', '-1', '1e2', '1.5', ' 1', '01', 'x'],
  ...[
    '1570752000',
    '1570752000000',
    '99999999999999999999',
    '2019-10-11',
    '2019-10-11T00:00:00Z',
    '2019-02-30',
    '2019',
  ],
  ...['true', 'false', 'TRUE', 'flat', 'none', 'FULL', 'MINI', 'TRADING', 'BREAK', 'SPOT', '["SPOT"]', 'all'],
  ...['1m', '1M', '2m', '60', '1D', 'D', 'W', '3D', '8', '-1:00', '+5:45', '05:45', '15', '-13'],
  ...[
    'BTCUSDT',
    'BTC-USD',
    'btcusdt',
    'A'.repeat(50),
    'A'.repeat(51),
    'BTCUSDT,ETHUSDT',
    '["BTCUSDT"]',
    '["BTCUSDT","ETHUSDT"]',
    '[]',
  ],
  ...[
    '0198f0c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f',
    'YzEuMTU3MDc1MjAwMDAwMA',
    'czEuNQ',
    'candles:BTCUSDT:1m,status',
    'tokyo-1',
    'Ä',
    'a b',
  ],
];

const all = SECTIONS.flatMap(({ operations }) =>
  operations.flatMap(({ id, parameters = {} }) =>
    Object.entries(parameters).map(([name, parameter]) => ({ id, name, parameter })),
  ),
);

function accepts({ read }: Parameter<unknown>, text: string, name: string): boolean {
  try {
    read(text, name);
    return true;
  } catch {
    return false;
  }
}

describe('parameters', () => {
  const ajv = new Ajv2020({ strict: false });
  formats.default(ajv);

  it.each(all)('$id: what "$name" takes is what its schema has, and its example is taken', ({ name, parameter }) => {
    const isRight = ajv.compile(parameter.schema);
    const isDescribed = (text: string) =>
      [text, Number(text), JSON.parse(/^(true|false)$/.test(text) ? text : 'null')].some((value) => isRight(value));
    const taken = TEXTS.filter((text) => accepts(parameter, text, name));
    expect(taken.filter((text) => !isDescribed(text))).toEqual([]);
    if (parameter.example !== undefined) expect(accepts(parameter, String(parameter.example), name)).toBe(true);
    if (parameter.required === true) expect(parameter.example).toBeDefined();
    const { enum: values = [], minimum, maximum, default: usual } = parameter.schema;
    const bounds = [...values, minimum, maximum, usual].filter((value) => value !== undefined && value !== '');
    expect(bounds.filter((value) => !accepts(parameter, String(value), name))).toEqual([]);
    // Just beyond them.
    for (const value of [minimum === undefined ? null : minimum - 1, maximum === undefined ? null : maximum + 1])
      if (value !== null) expect([value, accepts(parameter, String(value), name)]).toEqual([value, false]);
  });
});
