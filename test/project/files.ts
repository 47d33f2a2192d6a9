import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The text of a file of the project. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** README, ARCHITECTURE, CHANGELOG and everything in docs, as paths. */
export function documents(): string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  const found = docs.filter((file) => file.endsWith('.md')).map((file) => join('docs', file));
  return ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', ...found];
}
