import type { Clock } from '../../kit/clock.js';
import { type Check, error, type Finding, type Level, reasonOf } from './finding.js';

/** What hangs longer is a finding itself. Longer than the deadlines inside the checks. */
const DEADLINE_MS = 8000;

export interface Examined extends Finding {
  readonly check: string;
}

export interface Report {
  /** The worst of them. */
  readonly level: Level;
  readonly findings: readonly Examined[];
}

/** Runs all checks at once, each for so long at most; what fails or hangs is told as well. */
export async function examine(checks: readonly Check[], clock: Clock, deadlineMs = DEADLINE_MS): Promise<Report> {
  const findings = await Promise.all(checks.map((check) => examineOne(check, clock, deadlineMs)));
  return toReport(findings.flat());
}

export function toReport(findings: readonly Examined[]): Report {
  const has = (level: Level): boolean => findings.some((finding) => finding.level === level);
  return { level: has('error') ? 'error' : has('warning') ? 'warning' : 'ok', findings };
}

async function examineOne({ name, run }: Check, clock: Clock, deadlineMs: number): Promise<Examined[]> {
  let cancel = (): void => {};
  const late = new Promise<readonly Finding[]>((resolve) => {
    const says = `no result within ${deadlineMs / 1000} s: something it waits for hangs`;
    cancel = clock.after(deadlineMs, () => resolve([error(says)]));
  });
  const found = run().catch((failure: unknown) => [error(`cannot be checked: ${reasonOf(failure)}`)]);
  const findings = await Promise.race([found, late]);
  cancel();
  return findings.map((finding) => ({ check: name, ...finding }));
}
