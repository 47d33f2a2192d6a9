export interface ById {
  newest(): Promise<number | null>;
  /** Time of the newest trade whose id is not above `id`; null where there is none. */
  timeAt(id: number): Promise<number | null>;
}

const FIRST_STEP = 1000;

/** Finds the first trade at or after `timeMs` at a venue that can be asked by id only: backwards in doubling steps, then by halves. */
export async function seekById(timeMs: number, { newest, timeAt }: ById): Promise<number | null> {
  const last = await newest();
  if (last === null) return null;
  const isBefore = async (id: number): Promise<boolean> => {
    const time = await timeAt(id);
    return time === null || time < timeMs;
  };
  if (await isBefore(last)) return null;
  let notBefore = last;
  let before = last;
  for (let step = FIRST_STEP; before > 0; step *= 2) {
    before = Math.max(0, last - step);
    if (await isBefore(before)) break;
    notBefore = before;
  }
  while (notBefore - before > 1) {
    const middle = Math.floor((before + notBefore) / 2);
    if (await isBefore(middle)) before = middle;
    else notBefore = middle;
  }
  return notBefore;
}
