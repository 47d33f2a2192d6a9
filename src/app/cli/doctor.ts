import { systemClock } from '../../kit/clock.js';
import { checksOf } from '../doctor/checks.js';
import { examine, type Report } from '../doctor/examine.js';
import type { Level } from '../doctor/finding.js';
import { type AnswerOptions, answer } from './answer.js';

/** What `candlecast doctor` ends with. */
const EXIT_CODES: Readonly<Record<Level, number>> = { ok: 0, warning: 1, error: 2 };

/** `candlecast doctor`: also where the configuration is not valid. Never rejects; ends the process. */
export async function doctor(options: AnswerOptions): Promise<never> {
  try {
    const report = await examine(await checksOf(systemClock), systemClock);
    answer(options, report, inWords);
    process.exit(EXIT_CODES[report.level]);
  } catch (failure) {
    process.stderr.write(`candlecast: ${(failure as Error).stack ?? String(failure)}\n`);
    process.exit(EXIT_CODES.error);
  }
}

function inWords({ findings }: Report): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, level, says, fix }) => [
    `${level.padEnd(7)}  ${check.padEnd(width)}  ${says}`,
    ...(fix === null ? [] : [`${' '.repeat(width + 11)}fix: ${fix}`]),
  ]);
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
  return `${lines.join('\n')}\n\n${count('error')} errors, ${count('warning')} warnings, ${count('ok')} ok`;
}
