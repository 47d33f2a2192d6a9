import type { Connection } from './connection.js';
import type { Engine } from './engine.js';

const OWN_SETTINGS = `SELECT name, setting FROM pg_settings WHERE source = 'session'`;
/** Start-up parameters that are not settings, and those that would cost a switch of settings for nothing. */
const NOT_SETTINGS: ReadonlySet<string> = new Set([
  'user',
  'database',
  'replication',
  'options',
  'application_name',
  'client_encoding',
]);
const CHANGES_SETTINGS: readonly string[] = ['SET', 'RESET'];
const DEFAULT = /\bdefault\b/i;
const SET_CONFIG = /\bset_config\b/i;

/**
 * Gives every connection settings of its own (`SET`, start-up parameters) although all share one backend session:
 * they are taken down and put back when another connection takes over. Connections that set nothing pay nothing.
 */
export class SessionSettings {
  /** Whose settings the backend has now; null = a new session's. */
  private current: Connection | null = null;
  private changed = false;
  private wasReset = false;
  private readonly baseline: ReadonlyMap<string, string>;

  constructor(private readonly engine: Engine) {
    this.baseline = this.read();
  }

  /** Before a statement of `next`, outside any transaction. Throws when a setting cannot be had. */
  switchTo(next: Connection): void {
    if (this.current === next) return;
    this.leave();
    this.current = next;
    for (const [name, value] of next.settings) {
      this.changed = true;
      this.set(name, value);
    }
  }

  /** After a statement of the current connection. */
  note(commands: ReadonlySet<string>, texts: readonly string[]): void {
    if (CHANGES_SETTINGS.some((command) => commands.has(command)) || texts.some((text) => SET_CONFIG.test(text)))
      this.changed = true;
    if (commands.has('RESET') || (commands.has('SET') && texts.some((text) => DEFAULT.test(text))))
      this.wasReset = true;
  }

  /** The backend's own defaults are not what a new session of ours has: RESET must lead to the latter. Outside any transaction. */
  settle(): void {
    if (!this.wasReset) return;
    this.wasReset = false;
    const now = this.read();
    for (const [name, value] of this.baseline) if (!now.has(name)) this.set(name, value);
  }

  private set(name: string, value: string): void {
    this.engine.rows(`SELECT set_config(${literal(name)}, ${literal(value)}, false)`);
  }

  private leave(): void {
    if (this.changed) {
      if (this.current !== null) this.current.settings = this.difference();
      this.engine.resetSession();
    }
    this.changed = false;
    this.current = null;
  }

  private difference(): Map<string, string> {
    const own = new Map<string, string>();
    for (const [name, value] of this.read()) if (this.baseline.get(name) !== value) own.set(name, value);
    return own;
  }

  private read(): Map<string, string> {
    const settings = new Map<string, string>();
    for (const [name, value] of this.engine.rows(OWN_SETTINGS)) settings.set(name ?? '', value ?? '');
    return settings;
  }
}

/** The settings among a connection's start-up parameters, those of `options` (`-c name=value`) included. */
export function startupSettings(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const settings = new Map<string, string>();
  for (const [, name, value] of (parameters.get('options') ?? '').matchAll(/(?:-c\s*|--)([\w.]+)=((?:\\.|\S)*)/g))
    settings.set(name ?? '', (value ?? '').replace(/\\(.)/g, '$1'));
  for (const [name, value] of parameters) {
    if (!NOT_SETTINGS.has(name) && !name.startsWith('_pq_.')) settings.set(name, value);
  }
  return settings;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
