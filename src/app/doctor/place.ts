import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../kit/errors.js';
import { requireFreePort } from '../port.js';
import { type Check, error, type Finding, ok, warning } from './finding.js';

const FREE_MIN_BYTES = 200_000_000;
const SYNCS = 20;
const SLOW_SYNC_MS = 20;
const ASK_MS = 2000;

export interface Place {
  readonly dataDir: string;
  readonly spoolMaxBytes: number;
  readonly host: string;
  readonly port: number;
}

export function placeChecks(place: Place): Check[] {
  return [
    { name: 'disk', run: async () => [await free(place), await syncSpeed(place.dataDir)] },
    { name: 'port', run: async () => [await port(place)] },
  ];
}

async function free({ dataDir, spoolMaxBytes }: Place): Promise<Finding> {
  const { bavail, bsize } = await statfs(dataDir);
  const bytes = bavail * bsize;
  const says = `${Math.floor(bytes / 1e6)} MB are free for DATA_DIR ${dataDir}`;
  if (bytes < FREE_MIN_BYTES)
    return error(
      `${says}: closed candles may not find room`,
      `make room (df -h ${dataDir}), or choose another DATA_DIR`,
    );
  if (bytes < spoolMaxBytes)
    return warning(
      `${says}, but the spool may take ${Math.floor(spoolMaxBytes / 1e6)} MB while the database is away`,
      'make room, or lower SPOOL_MAX_MB',
    );
  return ok(says);
}

/** Every close of a minute waits for one. */
async function syncSpeed(dataDir: string): Promise<Finding> {
  const path = join(dataDir, `.doctor-${process.pid}`);
  const times: number[] = [];
  const file = await open(path, 'w');
  try {
    for (let i = 0; i < SYNCS; i++) {
      const before = performance.now();
      await file.write(Buffer.alloc(4096, i));
      await file.datasync();
      times.push(performance.now() - before);
    }
  } catch (failure) {
    return error(`DATA_DIR cannot be written: ${(failure as Error).message}`, 'make room, or choose another DATA_DIR');
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  const median = times.sort((a, b) => a - b)[SYNCS >> 1] ?? 0;
  const says = `a write to the disk of DATA_DIR is safe after ${median.toFixed(1)} ms`;
  if (median <= SLOW_SYNC_MS) return ok(says);
  return warning(`${says}: closed candles come later by that`, 'put DATA_DIR on a local SSD');
}

async function port({ host, port: wanted }: Place): Promise<Finding> {
  try {
    await requireFreePort(host, wanted);
    return ok(wanted === 0 ? 'PORT 0 takes a free one' : `port ${wanted} on ${host} is free`);
  } catch (failure) {
    if (!(failure instanceof UserError)) throw failure;
    if (await answersAsOurs(host, wanted)) return ok(`a Candlecast server answers on port ${wanted} already`);
    return error(failure.message, `ss -ltnp 'sport = :${wanted}' shows who has it; PORT takes another`);
  }
}

async function answersAsOurs(host: string, wanted: number): Promise<boolean> {
  const address = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const asked = fetch(`http://${address}:${wanted}/v1/symbols`, { signal: AbortSignal.timeout(ASK_MS) });
  return asked.then(
    async (answer) => answer.status < 600 && /"(symbols|type)"/.test((await answer.text()).slice(0, 200)),
    () => false,
  );
}
