import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const SRC = join(ROOT, 'src');

/** A bug, planted by an edit of one source file while it is built. The source itself stays as it is. */
export interface Edit {
  /** Below src. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** @throws Error when what is to be replaced is not there exactly once. */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${file}: found ${parts.length - 1} times, must be once: ${find}`);
  return parts.join(replace);
}

export async function readSource(file: string): Promise<string> {
  return readFile(join(SRC, file), 'utf8');
}

/**
 * Builds the server, with edits, beside its package.json and SQL in a directory of its own.
 * @returns the directory to run `main.js` from.
 */
export async function buildEdited(name: string, edits: readonly Edit[]): Promise<string> {
  const place = join(ROOT, 'node_modules', '.cache', 'candlecast', 'builds', name);
  await rm(place, { recursive: true, force: true, maxRetries: 5 });
  await mkdir(place, { recursive: true });
  const outdir = join(place, 'dist');
  const edited = new Set<string>();
  await build({
    entryPoints: await serverFiles(),
    outdir,
    outbase: SRC,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'warning',
    plugins: [planting(edits, edited)],
  });
  for (const { file } of edits) if (!edited.has(file)) throw new Error(`${file} was not built`);
  for (const part of ['package.json', 'sql']) await cp(join(ROOT, part), join(place, part), { recursive: true });
  await cp(join(ROOT, 'dist', 'web'), join(outdir, 'web'), { recursive: true });
  return outdir;
}

async function serverFiles(): Promise<string[]> {
  const entries = await readdir(SRC, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.filter((file) => file.endsWith('.ts') && !file.startsWith(join(SRC, 'web')));
}

function planting(edits: readonly Edit[], edited: Set<string>): Plugin {
  return {
    name: 'planting',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = relative(SRC, path);
        const own = edits.filter((edit) => edit.file === file);
        if (own.length === 0) return null;
        edited.add(file);
        return { contents: own.reduce(applyEdit, await readFile(path, 'utf8')), loader: 'ts' };
      });
    },
  };
}
