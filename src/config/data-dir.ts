import { closeSync, fsyncSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';

const WHY: Readonly<Record<string, string>> = {
  EACCES: 'the permissions forbid it',
  EPERM: 'the permissions forbid it',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'it is a file, not a directory',
};

/** Makes the directory where it is missing and proves that files can be written there. */
export function probeDataDir(path: string): { readonly path: string } | { readonly error: string } {
  const directory = resolve(path);
  const probe = join(directory, `.probe-${process.pid}`);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeProbe(probe);
    return { path: directory };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { error: `${directory} cannot be written: ${WHY[code] ?? code}; name a directory that can` };
  }
}

function writeProbe(path: string): void {
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, 'candlecast');
    fsyncSync(file);
  } finally {
    closeSync(file);
    unlinkSync(path);
  }
}
