import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { readDockerfile, type Stage, type Step } from './dockerfile.js';
import { ROOT, read } from './files.js';

const run = promisify(execFile);
interface Who {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * What the Dockerfile makes, made without a container engine: its instructions one by one, with a directory in the place of
 * the image's root.
 */
export class Image {
  readonly #running = new Set<ChildProcess>();

  private constructor(
    private readonly root: string,
    /** Who the container would run as: nobody, where the tests may choose. */
    private readonly who: Who,
  ) {}

  /** @param installs whether npm runs; otherwise what it would bring is linked from here. */
  static async build(installs: boolean): Promise<Image> {
    // Far from the project: what is not in the image must not be found above it.
    const place = await mkdtemp(join(tmpdir(), 'candlecast-image-'));
    await chmod(place, 0o755);
    const { stages } = readDockerfile();
    const image = new Image(place, await nobody());
    for (const stage of stages) await image.#make(stage, installs);
    await rm(join(place, 'build'), { recursive: true });
    return image;
  }

  get app(): string {
    return join(this.root, 'final', 'app');
  }

  async bytes(): Promise<number> {
    return Number((await run('du', ['-sb', this.app])).stdout.split('\t')[0]);
  }

  /** Every file below the working directory, relative to it. */
  async files(): Promise<string[]> {
    const entries = await readdir(this.app, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.app.length + 1));
  }

  /** Runs a command as a container would: with the image's variables and these, and no others. */
  spawn(command: readonly string[], variables: Readonly<Record<string, string>>): ChildProcess {
    const { environment } = readDockerfile();
    const env = { ...environment, DATA_DIR: join(this.root, 'final', 'data'), ...variables };
    const [name = '', ...args] = command;
    const program = name === 'node' ? process.execPath : name;
    const child = spawn(program, args, { cwd: this.app, env, stdio: ['ignore', 'pipe', 'pipe'], ...this.who });
    this.#running.add(child);
    return child;
  }

  async remove(): Promise<void> {
    for (const child of this.#running) child.kill('SIGKILL');
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  async #make({ name, steps }: Stage, installs: boolean): Promise<void> {
    const root = join(this.root, name ?? 'final');
    let directory = root;
    await mkdir(root);
    for (const step of steps) {
      if (step.name === 'WORKDIR') {
        directory = join(root, step.text);
        await mkdir(directory, { recursive: true });
      } else if (step.name === 'COPY') await this.#copy(step, directory);
      else if (step.name === 'RUN') await this.#run(step.text, directory, root, installs);
    }
  }

  /** From the context as .dockerignore leaves it, or from the stage before. */
  async #copy({ words, from }: Step, directory: string): Promise<void> {
    const to = words.at(-1) ?? '';
    for (const path of words.slice(0, -1)) {
      const target = to.endsWith('/') ? join(directory, to, path) : join(directory, to);
      if (from !== undefined) await rename(join(this.root, from, path), target);
      else if (allowed().has(path)) await cp(join(ROOT, path), target, { recursive: true });
      else throw new Error(`.dockerignore keeps ${path} out`);
    }
  }

  async #run(text: string, directory: string, root: string, installs: boolean): Promise<void> {
    if (/\bnpm\b/.test(text) && !installs) return text.includes('npm prune') ? link(directory) : undefined;
    const data = join(root, 'data');
    const command = text.replace('-o node -g node', '').replace(' /data', ` ${data}`);
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
    await run('sh', ['-c', command], { cwd: directory, env, maxBuffer: 1e8 });
    const { uid, gid } = this.who;
    if (text.includes('/data') && uid !== undefined && gid !== undefined) await chown(data, uid, gid);
  }
}

export function allowed(): ReadonlySet<string> {
  const [first, ...lines] = read('.dockerignore').trim().split('\n');
  if (first !== '*' || lines.some((line) => !line.startsWith('!')))
    throw new Error('.dockerignore names what it lets in');
  return new Set(lines.map((line) => line.slice(1)));
}

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
}

/** Paths below the project of the packages that are installed without dev. */
export function productionPackages(): string[] {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
  return Object.keys(packages).filter((path) => path !== '' && packages[path]?.dev !== true);
}

/** What `npm ci`, the build and `npm prune --omit=dev` leave. */
async function link(directory: string): Promise<void> {
  await cp(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
  const tops = new Set(productionPackages().map((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path));
  for (const top of tops) {
    if (!(await exists(join(ROOT, top)))) continue;
    await mkdir(dirname(join(directory, top)), { recursive: true });
    const [from, to] = [`${join(ROOT, top)}/`, join(directory, top)];
    // Links where it is the same disk.
    await run('cp', ['-al', from, to]).catch(() => run('cp', ['-a', from, to]));
  }
}

async function exists(path: string): Promise<boolean> {
  return readFile(join(path, 'package.json')).then(
    () => true,
    () => false,
  );
}

async function nobody(): Promise<Who> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'nobody'])).stdout)),
  );
  return uid === undefined || gid === undefined ? {} : { uid, gid };
}
