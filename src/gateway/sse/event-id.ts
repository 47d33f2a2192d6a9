import type { Position } from '../../market/position.js';

/**
 * The `id:` of an event: where every channel of the stream stands after it, in the order in which the channels were asked for.
 * `1.<list>.<epoch>-<seq>.<epoch>-<seq>…` in base 36; a channel that has not been answered yet is empty. `<list>` tells one
 * list of channels from another. Some 18 characters a channel: it comes back in a header of limited size.
 */
const VERSION = '1';
const ENTRY = /^([0-9a-z]{1,11})-([0-9a-z]{1,11})$/;
const RADIX = 36;

export type Positions = readonly (Position | null)[];

export function formatEventId(list: string, positions: Positions): string {
  const entries = positions.map((at) => (at === null ? '' : `${at.epoch.toString(RADIX)}-${at.seq.toString(RADIX)}`));
  return [VERSION, list, ...entries].join('.');
}

/** @returns a sentence where it is no id of a stream with these channels. */
export function parseEventId(text: string, channels: readonly string[]): Positions | string {
  const [version, list, ...entries] = text.split('.');
  if (version !== VERSION || list === undefined) return 'it is not the id of an event of this server';
  if (list !== listOf(channels) || entries.length !== channels.length)
    return 'it is of another list of channels: ask for the same channels in the same order';
  const positions = entries.map(parseEntry);
  return positions.every((at) => at !== 'bad') ? positions : 'it is damaged';
}

/** FNV-1a. */
export function listOf(channels: readonly string[]): string {
  let hash = 0x811c9dc5;
  for (const character of channels.join(',')) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return (hash >>> 0).toString(RADIX);
}

function parseEntry(entry: string): Position | null | 'bad' {
  if (entry === '') return null;
  const [, epochText = '', seqText = ''] = ENTRY.exec(entry) ?? [];
  const [epoch, seq] = [Number.parseInt(epochText, RADIX), Number.parseInt(seqText, RADIX)];
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(seq) ? { epoch, seq } : 'bad';
}
