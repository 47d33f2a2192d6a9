// Compiles src to dist, in bundles. Types are checked by `npm run check`.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

async function filesIn(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** The SDK: one file for browsers and Node, and its types with those of the vocabulary that they name. */
async function buildClient(src, out) {
  const entry = join(src, 'client', 'index.ts');
  const bundle = build({
    entryPoints: [entry],
    outfile: join(out, 'client', 'index.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    sourcemap: true,
    logLevel: 'warning',
  });
  const types = await mkdtemp(join(tmpdir(), 'candlecast-types-'));
  const options = ['--noCheck', '--noEmit', 'false', '--declaration', '--emitDeclarationOnly'];
  const tsconfig = join(types, 'tsconfig.json');
  const base = join(root, 'tsconfig.json');
  await writeFile(
    tsconfig,
    JSON.stringify({ extends: base, compilerOptions: { types: [] }, include: [entry], exclude: [] }),
  );
  try {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    await promisify(execFile)(process.execPath, [tsc, '-p', tsconfig, ...options, '--rootDir', src, '--outDir', types]);
    await copyTypes(types, 'client/index.d.ts', out, new Set());
  } finally {
    await rm(types, { recursive: true, force: true });
  }
  await bundle;
}

/** A file of declarations and those it imports. */
async function copyTypes(from, file, to, done) {
  if (done.has(file)) return;
  done.add(file);
  await cp(join(from, file), join(to, file));
  const imports = (await readFile(join(from, file), 'utf8')).matchAll(/(?:from|import\() ?['"](\.[^'"]+)\.js['"]/g);
  for (const [, path] of imports) await copyTypes(from, `${join(dirname(file), path)}.d.ts`, to, done);
}

export async function buildAll() {
  const src = join(root, 'src');
  const out = join(root, 'dist');
  const web = join(src, 'web');
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  // In few files, which start in a third of the time that hundreds take; all in one folder, so that they find each other.
  await build({
    entryPoints: [
      join(src, 'main.ts'),
      join(src, 'store', 'embedded', 'database-process.ts'),
      join(src, 'analytics', 'embedded', 'clickhouse-process.ts'),
    ],
    outdir: out,
    entryNames: '[name]',
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
  });
  await buildClient(src, out);
  const pages = (await filesIn(web)).filter((file) => /\.(html|svg|ico|png)$/.test(file));
  for (const page of pages) await cp(page, join(out, 'web', relative(web, page)));
  const entries = (await filesIn(web)).filter((file) => /[/\\]pages[/\\][^/\\]+\.(ts|css)$/.test(file));
  // Other pages load this one as a classic script: it leaves no names there.
  const isForeign = (file) => file.endsWith(`${sep}embed.ts`);
  for (const [format, files] of [
    ['esm', entries.filter((file) => !isForeign(file))],
    ['iife', entries.filter(isForeign)],
  ]) {
    if (files.length === 0) continue;
    await build({
      entryPoints: files,
      outdir: join(out, 'web'),
      outbase: join(web, 'pages'),
      bundle: true,
      minify: true,
      format,
      platform: 'browser',
      target: 'es2022',
      sourcemap: true,
      logLevel: 'warning',
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
