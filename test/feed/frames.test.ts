import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frame, scan } from '../../src/feed/push/frames.js';

const payloads = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 8 });

test('what is framed is read back', () => {
  fc.assert(
    fc.property(payloads, (texts) => {
      const bytes = Buffer.concat(texts.map(frame));
      expect(scan(bytes)).toEqual({ payloads: texts, end: bytes.length, damage: null });
    }),
  );
});

test('wherever the end is torn off, every whole record before it is read and nothing else', () => {
  fc.assert(
    fc.property(payloads, fc.nat(), fc.nat(64), (texts, at, zeros) => {
      const frames = texts.map(frame);
      const bytes = Buffer.concat(frames);
      const cut = at % bytes.length;
      let whole = 0;
      for (let end = 0; whole < frames.length && end + (frames[whole]?.length ?? 0) <= cut; whole++)
        end += frames[whole]?.length ?? 0;
      const torn = scan(bytes.subarray(0, cut));
      expect(torn.payloads).toEqual(texts.slice(0, whole));
      expect(torn.damage).toBe(torn.end === cut ? null : 'torn');
      const boundary = bytes.subarray(0, torn.end);
      const padded = scan(Buffer.concat([boundary, Buffer.alloc(zeros)]));
      expect(padded).toEqual({ payloads: texts.slice(0, whole), end: torn.end, damage: zeros === 0 ? null : 'torn' });
    }),
  );
});

test('a flipped bit is never read as a record', () => {
  fc.assert(
    fc.property(payloads, fc.nat(), fc.nat(7), (texts, at, bit) => {
      const frames = texts.map(frame);
      const bytes = Buffer.concat(frames);
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
      const { payloads: read, damage } = scan(bytes);
      expect(damage).not.toBeNull();
      expect(read).toEqual(texts.slice(0, read.length));
      expect(read.length).toBeLessThan(texts.length);
    }),
  );
});
