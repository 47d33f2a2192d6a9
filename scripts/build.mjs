// Compiles src to dist: the server file by file, the page as one bundle. Types are checked by `npm run check`.
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

async function filesIn(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

export async function buildAll() {
  const src = join(root, 'src');
  const out = join(root, 'dist');
  const web = join(src, 'web');
  const server = (await filesIn(src)).filter((file) => file.endsWith('.ts') && !file.startsWith(web));
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  await build({
    entryPoints: server,
    outdir: out,
    outbase: src,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
  });
  const pages = (await filesIn(web)).filter((file) => /\.(html|svg|ico|png)$/.test(file));
  for (const page of pages) await cp(page, join(out, 'web', relative(web, page)));
  const entries = (await filesIn(web)).filter((file) => /[/\\]pages[/\\][^/\\]+\.(ts|css)$/.test(file));
  if (entries.length > 0) {
    await build({
      entryPoints: entries,
      outdir: join(out, 'web'),
      outbase: join(web, 'pages'),
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      sourcemap: true,
      logLevel: 'warning',
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
