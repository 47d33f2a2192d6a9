import type { Environment } from './environment.js';

/** Names of up to this length are too short for two slips. */
const SHORT_NAME = 5;

/** Variables of the environment that look like misspelt ones of ours. */
export function likelyTypos(env: Environment, known: readonly string[]): string[] {
  const all = new Set(known.flatMap((name) => [name, `${name}_FILE`]));
  const notes: string[] = [];
  for (const name of Object.keys(env)) {
    if (all.has(name)) continue;
    const meant = known.find((candidate) => isNear(name, candidate));
    if (meant !== undefined) notes.push(`${name} is not a variable of Candlecast: did you mean ${meant}?`);
  }
  return notes;
}

function isNear(name: string, candidate: string): boolean {
  const plain = name.toUpperCase().replace(/^CANDLECAST_/, '');
  if (plain === candidate) return true;
  if (candidate.length <= SHORT_NAME) return plain === `${candidate}S` || `${plain}S` === candidate;
  return distance(plain, candidate) <= 2;
}

/** Levenshtein distance. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, at(row, j) + 1, at(next, j - 1) + 1));
    }
    row = next;
  }
  return at(row, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
