import type { ListedSignal, WireSignal } from '../wire/signals.js';
import type { StoredSignal } from './signal.js';

export type { ListedSignal, WireSignal } from '../wire/signals.js';

export function toWire(signal: StoredSignal): WireSignal {
  return {
    id: signal.id,
    seq: signal.seq,
    type: signal.type,
    symbol: signal.symbol,
    data: signal.data,
    createdAt: signal.createdAt,
    expiresAt: signal.expiresAt,
    source: signal.source,
    ...(signal.ruleId === null ? {} : { rule: signal.ruleId }),
    ...(signal.corrects === null ? {} : { corrects: signal.corrects }),
  };
}

export function toListed(signal: StoredSignal): ListedSignal {
  return { ...toWire(signal), readAt: signal.readAt };
}
