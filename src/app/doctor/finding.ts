/** `warning`: it works, but something should be different; `error`: a start fails, or data is in danger. */
export type Level = 'ok' | 'warning' | 'error';

export interface Finding {
  readonly level: Level;
  /** What was found, and what it means. */
  readonly says: string;
  /** What to do, as a command where there is one. */
  readonly fix: string | null;
}

export interface Check {
  readonly name: string;
  run(): Promise<readonly Finding[]>;
}

export function ok(says: string): Finding {
  return { level: 'ok', says, fix: null };
}

export function warning(says: string, fix: string): Finding {
  return { level: 'warning', says, fix };
}

export function error(says: string, fix: string | null = null): Finding {
  return { level: 'error', says, fix };
}

export function reasonOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
