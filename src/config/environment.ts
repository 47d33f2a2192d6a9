import { readFileSync } from 'node:fs';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Takes the named variables, each from NAME or from the file that NAME_FILE names. Empty counts as not set. */
export function readEnvironment(
  env: Environment,
  names: readonly string[],
): { values: Record<string, string | undefined>; errors: string[] } {
  const values: Record<string, string | undefined> = {};
  const errors: string[] = [];
  for (const name of names) {
    const direct = present(env[name]);
    const file = present(env[`${name}_FILE`]);
    if (direct !== undefined && file !== undefined) errors.push(`${name} and ${name}_FILE are both set: set one`);
    const value = direct ?? (file === undefined ? undefined : readValue(name, file, errors));
    if (value !== undefined) values[name] = value;
  }
  return { values, errors };
}

function present(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === '' ? undefined : text;
}

function readValue(name: string, path: string, errors: string[]): string | undefined {
  try {
    const value = present(readFileSync(path, 'utf8'));
    if (value === undefined) errors.push(`${name}_FILE names ${path}, which is empty`);
    return value;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error;
    errors.push(`${name}_FILE names ${path}, which cannot be read (${code})`);
    return undefined;
  }
}
