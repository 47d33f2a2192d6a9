import type { Edit } from './kit/build.js';

/** A bug that the suite must notice. */
export interface Plant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The test file that must turn red, and which test of it. */
  readonly scenario: string;
  readonly only?: string;
}

export const PLANTS: readonly Plant[] = [
  {
    name: 'a seq is skipped',
    edits: [
      {
        file: 'candles/book.ts',
        find: 'this.#lastSeq = nextSeq(this.#lastSeq, newest);',
        replace: 'this.#lastSeq = nextSeq(this.#lastSeq, newest) + 2 ** 20;',
      },
    ],
    scenario: 'test/faults/no-fault.test.ts',
  },
  {
    name: 'a close is not published now and then',
    edits: [
      {
        file: 'candles/pipeline.ts',
        find: 'this.#options.publish(events);',
        replace:
          "this.#options.publish(events.filter((event) => event.kind !== 'closed' || (event.seq / 2 ** 20) % 7 !== 0));",
      },
    ],
    scenario: 'test/faults/no-fault.test.ts',
  },
  {
    name: 'published before it is on disk',
    edits: [
      {
        file: 'candles/pipeline.ts',
        find: `      await this.#appendUntilDone(this.#records(events));
      for (const event of events) this.published[event.kind] += 1;
      this.#options.publish(events);`,
        replace: `      for (const event of events) this.published[event.kind] += 1;
      this.#options.publish(events);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await this.#appendUntilDone(this.#records(events));`,
      },
    ],
    scenario: 'test/app/full-disk.test.ts',
  },
  {
    name: 'acknowledged before the disk has it',
    edits: [
      {
        file: 'store/spool/spool.ts',
        find: '    await Promise.all(done);',
        replace: '    void Promise.all(done);\n    await new Promise((resolve) => setTimeout(resolve, 0));',
      },
      {
        file: 'store/spool/spool.ts',
        find: '    await Promise.resolve();',
        replace: '    await new Promise((resolve) => setTimeout(resolve, 20));',
      },
    ],
    scenario: 'test/app/full-disk.test.ts',
  },
  {
    name: 'a trade counts as often as it is sent',
    edits: [
      {
        file: 'candles/book.ts',
        find: "    if (!this.#hotIds.add(trade.id)) return 'duplicate';",
        replace: '    this.#hotIds.add(trade.id);',
      },
    ],
    scenario: 'test/faults/push-kill.test.ts',
  },
  {
    name: 'the spool is emptied before the table has it',
    edits: [
      {
        file: 'store/timescale/writer.ts',
        find: '      await this.#sink.write(prepared);\n      return await this.#belowWatermark(prepared);',
        replace: '      await this.#sink.write(prepared).catch(() => {});\n      return [];',
      },
    ],
    scenario: 'test/faults/database.test.ts',
    only: 'down',
  },
  {
    name: 'rows of any epoch are written',
    edits: [
      {
        file: 'store/timescale/upsert.ts',
        find: '    WHERE r.epoch IN (SELECT epoch FROM held)\n',
        replace: '',
      },
    ],
    scenario: 'test/faults/ingest-freeze.test.ts',
  },
  {
    name: 'a successor adopts nothing',
    edits: [
      {
        file: 'app/takeover.ts',
        find: 'if (records.length === 0) return;',
        replace: 'if (records.length >= 0) return;',
      },
    ],
    scenario: 'test/faults/push-takeover.test.ts',
  },
  {
    name: 'a resume leaves out the newest candle',
    edits: [
      {
        file: 'gateway/answer.ts',
        find: 'return missed(live, seq, live.closed, live.gaps);',
        replace: 'return missed(live, seq, live.closed.slice(0, -1), live.gaps);',
      },
    ],
    scenario: 'test/faults/client-cut.test.ts',
  },
  {
    name: 'a hole that was healed is not told',
    edits: [
      {
        file: 'gateway/heal.ts',
        find: '      channel.topics.resync(next, result, seq);\n',
        replace: '',
      },
    ],
    scenario: 'test/faults/lost-messages.test.ts',
  },
  {
    name: 'a gap is not announced',
    edits: [
      {
        file: 'candles/book.ts',
        find: "      this.#emit({ kind: 'gap', symbol: this.symbol, interval, epoch: this.epoch, seq: gap.seq, prev, gap });",
        replace: '      void prev;',
      },
    ],
    scenario: 'test/faults/announced-hole.test.ts',
  },
  {
    name: 'who stopped reading is forgotten',
    edits: [
      {
        file: 'gateway/slow.ts',
        find: '  connection.jobs = [...topics.map(resyncJob), ...connection.jobs];',
        replace: '  connection.jobs = [...connection.jobs];',
      },
    ],
    scenario: 'test/faults/slow-clients.test.ts',
  },
  {
    name: 'the lease of another is renewed',
    edits: [
      {
        file: 'cluster/scripts.ts',
        find: "  if string.sub(ARGV[4], i - 3, i - 3) == '1' then",
        replace: '  if holder or true then',
      },
      {
        file: 'cluster/scripts.ts',
        find: "    if holder == id then redis.call('SET', KEYS[i], id, 'PX', ttl) end",
        replace: "    redis.call('SET', KEYS[i], holder or id, 'PX', ttl)",
      },
    ],
    scenario: 'test/faults/ingest-kill.test.ts',
  },
  {
    name: 'quiet channels are not compared',
    edits: [
      {
        file: 'gateway/watch.ts',
        find: '(channel.stale || (channel.refs > 0 && !channel.heard))',
        replace: 'channel.stale',
      },
    ],
    scenario: 'test/faults/lost-messages.test.ts',
  },
  {
    name: 'nobody is told that Redis is away',
    edits: [{ file: 'gateway/watch.ts', find: '      for (const channel of all) channel.beStale();\n', replace: '' }],
    scenario: 'test/faults/redis.test.ts',
    only: 'kill -9',
  },
  {
    // Either alone is harmless: who has lost a partition lets go of it before Redis would have to refuse its messages.
    name: 'a lost partition is kept, and Redis lets an older epoch publish',
    edits: [
      {
        file: 'cluster/ownership.ts',
        find: '    if (!tenure.holdsLease) return;\n    this.#stats.losses++;',
        replace: '    if (tenure.holdsLease) return;\n    this.#stats.losses++;',
      },
      {
        file: 'bus/redis/scripts.ts',
        find: `'count', 'last', 'gaps')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then return \${FENCED} end`,
        replace: "'count', 'last', 'gaps')",
      },
      {
        file: 'bus/redis/scripts.ts',
        find: `if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then return \${FENCED} end
if state[1] == ARGV[1] then`,
        replace: 'if state[1] == ARGV[1] then',
      },
    ],
    scenario: 'test/faults/ingest-freeze.test.ts',
  },
  {
    name: 'published before it is stored in Redis',
    edits: [
      {
        file: 'bus/redis/scripts.ts',
        find: 'if ARGV[3] ~= ARGV[4] then\n  local window',
        replace: 'redis.call(ARGV[7], ARGV[8], ARGV[9])\nif ARGV[3] ~= ARGV[4] then\n  local window',
      },
      { file: 'bus/redis/scripts.ts', find: 'redis.call(ARGV[7], ARGV[8], ARGV[9])\nreturn', replace: 'return' },
    ],
    scenario: 'test/faults/redis.test.ts',
    only: 'maxmemory',
  },
  {
    name: 'a lost partition is kept',
    edits: [
      {
        file: 'cluster/ownership.ts',
        find: '    if (!tenure.holdsLease) return;\n    this.#stats.losses++;',
        replace: '    if (tenure.holdsLease) return;\n    this.#stats.losses++;',
      },
    ],
    scenario: 'test/faults/ingest-freeze.test.ts',
  },
  {
    name: 'what Redis holds is forgotten at a takeover',
    edits: [
      {
        file: 'app/partition.ts',
        find: 'await adopt(await bus.take(epoch, symbols, first), ',
        replace: 'await bus.take(epoch, symbols, first);\n    await adopt([], ',
      },
    ],
    scenario: 'test/faults/push-takeover.test.ts',
  },
  {
    name: 'signals of all users have one topic',
    edits: [
      {
        file: 'gateway/signal-channel.ts',
        find: 'encoding, false, `',
        replace: 'encoding, false, NAME || `',
      },
    ],
    scenario: 'test/faults/signals.test.ts',
  },
  {
    name: 'a hint is delivered although it does not join',
    edits: [
      {
        file: 'signals/feed.ts',
        find: 'signals.length > 0 && first <= follower.seq + 1)',
        replace: 'signals.length > 0 && first > 0)',
      },
    ],
    scenario: 'test/faults/signals.test.ts',
  },
  {
    name: 'a request that is sent again is published again',
    edits: [
      {
        file: 'http/signals-publish.ts',
        find: 'const receipt = await source.publish(userId, orders, key);',
        replace: 'const receipt = await source.publish(userId, orders, null);',
      },
    ],
    scenario: 'test/faults/signals.test.ts',
  },
  {
    name: 'changes of accounts are announced and never looked for',
    edits: [
      {
        file: 'accounts/changes.ts',
        find: 'this.#stopPolling = clock.every(pollMs, () => void this.catchUp());',
        replace: 'this.#stopPolling = clock.every(pollMs, () => {});',
      },
    ],
    scenario: 'test/faults/revocation.test.ts',
    only: 'SQL',
  },
  {
    name: 'what fired before a takeover is forgotten',
    edits: [
      {
        file: 'signals/rules/firings.ts',
        find: '    return byRule;',
        replace: '    return new Map();',
      },
    ],
    scenario: 'test/faults/rules.test.ts',
  },
];
