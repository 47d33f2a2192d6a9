/** Which core a process has, and what it takes of it. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** A process with all that came from it. */
function family(pid: number): number[] {
  const pids = [pid];
  for (const task of list(`/proc/${pid}/task`)) {
    const children = read(`/proc/${pid}/task/${task}/children`).trim().split(' ');
    for (const child of children) if (child !== '') pids.push(...family(Number(child)));
  }
  return pids;
}

/** Without `taskset` everything shares all cores. */
export function pin(pid: number | undefined, core: number): void {
  if (pid === undefined) return;
  for (const one of family(pid)) {
    try {
      execFileSync('taskset', ['-a', '-cp', String(core), String(one)], { stdio: 'ignore' });
    } catch {
      return;
    }
  }
}

/** Seconds of CPU that a process and its children that live have taken so far. */
export function cpuSeconds(pid: number | undefined): number {
  if (pid === undefined) return Number.NaN;
  let ticks = 0;
  for (const one of family(pid)) {
    const fields = read(`/proc/${one}/stat`).split(') ').at(-1)?.split(' ') ?? [];
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resident bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
