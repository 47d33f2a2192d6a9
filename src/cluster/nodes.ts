import { z } from 'zod';

/** What a process is for the others. */
export interface NodeIdentity {
  /** Unique among all processes that ever ran: a restarted one is another. */
  readonly id: string;
  readonly roles: readonly string[];
  /** host:port of its HTTP, for people. */
  readonly address: string;
}

/** What a node told the others with its latest beat; further fields are as its `info` gave them. */
export interface NodeInfo extends NodeIdentity {
  /** Epoch ms of its own clock. */
  readonly startedAt: number;
  /** The partitions it would take now; empty for a node that takes none. */
  readonly wants: readonly string[];
  /** Records in its spool that the database lacks. */
  readonly spoolBehind: number;
  readonly [extra: string]: unknown;
}

const schema = z.looseObject({
  id: z.string(),
  roles: z.array(z.string()),
  address: z.string(),
  startedAt: z.number(),
  wants: z.array(z.string()).default([]),
  spoolBehind: z.number().default(0),
});

/** @returns null where it is not what a node writes. */
export function parseNode(id: string, json: string): NodeInfo | null {
  try {
    const parsed = schema.safeParse(JSON.parse(json));
    return parsed.success && parsed.data.id === id ? parsed.data : null;
  } catch {
    return null;
  }
}
