import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VARIABLES } from '../../src/config/variables.js';
import { testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, TRADES_FILE } from '../support/oracle.js';
import { restartablePort, Server } from '../support/server.js';
import { documents, ROOT, read } from './files.js';

type PrintedCandle = Parameters<typeof asKline>[0];

const readme = read('README.md');
const known = Object.keys(VARIABLES).sort();

describe.each(documents())('%s', (document) => {
  it('links to files that exist', () => {
    const links = [...read(document).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1] ?? '');
    const relative = links.filter((link) => !/^[a-z]+:/.test(link));
    expect(relative.filter((link) => !existsSync(join(ROOT, dirname(document), link)))).toEqual([]);
  });
});

describe('the configuration', () => {
  it('is in the README, every variable of it and no other', () => {
    const table = readme.slice(readme.indexOf('| variable |'), readme.indexOf('This version has no authentication'));
    const rows = table.split('\n').map((line) => line.split('|')[1] ?? '');
    const names = rows.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map((match) => match[1]));
    expect(names.sort()).toEqual(known);
  });

  it('has the defaults that the README says', () => {
    for (const [, name = '', said] of readme.matchAll(/^\| `([A-Z_]+)` \| `([^`]+)` \|/gm)) {
      if (known.includes(said ?? '')) continue;
      const rule = VARIABLES[name as keyof typeof VARIABLES];
      expect(String(rule.parse(undefined)), name).toBe(said);
    }
  });

  it('is in .env.example, every variable of it and no other', () => {
    const names = [...read('.env.example').matchAll(/^#([A-Z_]+)=/gm)].map((match) => match[1]);
    expect(names.sort()).toEqual(known);
  });
});

/** The README's program, as it stands there. */
class Bot {
  readonly candles: PrintedCandle[] = [];
  readonly #child: ChildProcess;
  #listeners: (() => void)[] = [];
  #ended = false;

  constructor(code: string, args: readonly string[]) {
    this.#child = spawn(process.execPath, ['--input-type=module', '-', ...args], {
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdin?.end(code);
    this.#child.once('close', () => {
      this.#ended = true;
      this.#wake();
    });
    if (this.#child.stdout === null) throw new TypeError('the program has no stdout');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.candles.push(JSON.parse(line) as PrintedCandle);
      this.#wake();
    });
  }

  async reach(openTime: number): Promise<void> {
    while ((this.candles.at(-1)?.t ?? 0) < openTime) {
      if (this.#ended) throw new Error('the program of the README ended by itself');
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    if (!this.#ended) await ended;
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

describe('the program for bots', () => {
  const klines = exchangeKlines();
  const code = /^```js\n(import[\s\S]+?)^```$/m.exec(readme)?.[1] ?? '';
  const bots: Bot[] = [];
  let directory: string;
  let server: Server;
  let port: number;

  beforeAll(async () => {
    directory = await testDataDir();
    port = await restartablePort();
    server = await start();
  });

  afterAll(async () => {
    for (const bot of bots) await bot.kill();
    await server?.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });

  /** 59 hours of real trades in some seconds. */
  async function start(): Promise<Server> {
    const feeds = `replay:${TRADES_FILE}?speed=30000&symbol=XRPETH`;
    const started = await Server.start({ DATA_DIR: directory, FEEDS: feeds, PORT: String(port) });
    let symbols = '';
    while (!symbols.includes('XRPETH')) symbols = JSON.stringify(await started.json('/v1/symbols'));
    return started;
  }

  function run(): Bot {
    const bot = new Bot(code, [server.url, 'XRPETH', join(directory, 'cursor.json')]);
    bots.push(bot);
    return bot;
  }

  it('prints every closed candle of the exchange across restarts of the server and of its own', async () => {
    const first = run();
    await first.reach(klines[300]?.[0] ?? 0);
    await server.stop();
    server = await start();
    await first.reach(klines[1200]?.[0] ?? 0);
    await first.kill();
    const second = run();
    await second.reach(klines.at(-1)?.[0] ?? 0);
    const before = first.candles.map(asKline);
    const printed = second.candles.map(asKline);
    const again = printed.findIndex(([time]) => time > (before.at(-1)?.[0] ?? 0));
    // What was printed and not yet saved when it was killed comes again.
    expect(printed.slice(0, again)).toEqual(before.slice(before.length - again));
    const all = [...before, ...printed.slice(again)];
    expect(all).toEqual(klines.slice(klines.findIndex(([time]) => time === all[0]?.[0])));
  });
});
