import { expect, test } from 'vitest';
import { Overdue } from '../../src/kit/overdue.js';

const fails = () => Promise.reject(new Error('away'));

test('what fails is done again, in order, up to the first that fails again', async () => {
  const overdue = new Overdue(10);
  for (const key of ['a', 'b', 'a', 'c']) expect(await overdue.attempt(key, fails)).toBe(false);
  expect(await overdue.attempt('d', async () => {})).toBe(true);
  expect(overdue.size).toBe(3);
  const done: string[] = [];
  await overdue.redo(async (key) => (key === 'b' ? fails() : done.push(key)));
  expect([done, overdue.size]).toEqual([['a'], 2]);
  await overdue.redo(async (key) => done.push(key));
  expect([done, overdue.size]).toEqual([['a', 'c', 'b'], 0]);
});

test('what fails anew while it is done again is not forgotten, and nothing is done twice at once', async () => {
  const overdue = new Overdue(10);
  await overdue.attempt('a', fails);
  const done: string[] = [];
  await overdue.redo(async (key) => {
    done.push(key);
    await overdue.redo(async () => done.push('twice'));
    await overdue.attempt('a', fails);
  });
  expect([done, overdue.size]).toEqual([['a'], 1]);
});

test('more than there is room for are counted', async () => {
  const overdue = new Overdue(2);
  for (const key of ['a', 'b', 'c', 'd', 'a']) await overdue.attempt(key, fails);
  expect([overdue.size, overdue.leftUndone]).toEqual([2, 2]);
});
