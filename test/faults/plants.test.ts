import { describe, expect, it } from 'vitest';
import { applyEdit, readSource } from './kit/build.js';
import { PLANTS } from './plants.js';

describe('planted bugs', () => {
  it.each(PLANTS)('$name: its edits fit the source', async ({ edits }) => {
    for (const edit of edits) {
      const text = await readSource(edit.file);
      expect(applyEdit(text, edit)).not.toBe(text);
    }
  });

  it('are at least 15, each with a name of its own', () => {
    expect(PLANTS.length).toBeGreaterThanOrEqual(15);
    expect(new Set(PLANTS.map(({ name }) => name)).size).toBe(PLANTS.length);
  });

  it('are refused when what they replace is not there, or there twice', () => {
    const edit = { file: 'x.ts', find: 'a', replace: 'b' };
    expect(() => applyEdit('c', edit)).toThrow(/found 0 times/);
    expect(() => applyEdit('aa', edit)).toThrow(/found 2 times/);
  });
});
