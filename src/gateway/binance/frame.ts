import { topicKey } from '../topic.js';

/** Of sockets that want the combined form. `name` holds nothing to be escaped. */
export function combinedFrame(name: string, data: string): string {
  return `{"stream":"${name}","data":${data}}`;
}

/** Raw and combined are topics of their own, apart from those of other dialects. */
export function addressOf(name: string, combined: boolean): string {
  return `${combined ? 'binance-combined' : 'binance'}/${name}`;
}

export function keyOf(name: string, combined: boolean): string {
  return topicKey('json', addressOf(name, combined));
}
