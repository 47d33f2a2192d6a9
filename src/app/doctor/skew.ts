import type { Clock } from '../../kit/clock.js';
import { error, type Finding, ok, warning } from './finding.js';

/** A node that is further from Redis' clock takes no symbols (cluster/contact). */
const MAX_SKEW_MS = 2000;
const NOTABLE_MS = 500;

/** Our clock against another one, of which `read` tells the time; what the way there and back took is allowed for. */
export async function compareClocks(
  whose: string,
  clock: Clock,
  read: () => Promise<number>,
  matters: boolean,
): Promise<Finding> {
  const before = clock.now();
  const theirs = await read();
  const after = clock.now();
  return judge(whose, (before + after) / 2 - theirs, (after - before) / 2, matters);
}

export function judge(whose: string, offMs: number, uncertainMs: number, matters: boolean): Finding {
  const sure = Math.max(0, Math.abs(offMs) - uncertainMs);
  const says = `this clock is ${Math.round(Math.abs(offMs))} ms ${offMs < 0 ? 'behind' : 'ahead of'} that of ${whose}`;
  const fix = 'run NTP on both: timedatectl set-ntp true, or chrony';
  if (sure > MAX_SKEW_MS && matters) return error(`${says}: minutes close at the wrong time`, fix);
  return sure > NOTABLE_MS ? warning(says, fix) : ok(`the clocks of ${whose} and here agree`);
}
