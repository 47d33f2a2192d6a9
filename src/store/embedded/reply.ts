import { Backend, eachMessage, HEADER_BYTES, readCString, type TransactionStatus } from './wire.js';

export interface Notification {
  readonly channel: string;
  readonly bytes: Buffer;
}

/** A backend reply taken apart: what goes to the client that asked, and what the front must know of it. */
export interface SortedReply {
  readonly parts: readonly Buffer[];
  readonly notifications: readonly Notification[];
  /** First words of the command tags: SET, LISTEN, … */
  readonly commands: ReadonlySet<string>;
  readonly failed: boolean;
  /** From ReadyForQuery; null when there was none. */
  readonly status: TransactionStatus | null;
}

/** @param drop types of messages of which the client must not see the first. */
export function sortReply(reply: Buffer, ...drop: readonly number[]): SortedReply {
  const parts: Buffer[] = [];
  const notifications: Notification[] = [];
  const commands = new Set<string>();
  let failed = false;
  let status: TransactionStatus | null = null;
  let kept = 0;
  const toDrop = new Set(drop);
  const leaveOut = (start: number, end: number) => {
    if (start > kept) parts.push(reply.subarray(kept, start));
    kept = end;
  };
  eachMessage(reply, (type, start, end) => {
    if (toDrop.delete(type)) leaveOut(start, end);
    if (type === Backend.commandComplete) {
      commands.add(firstWord(readCString(reply, start + HEADER_BYTES).text));
    } else if (type === Backend.error) {
      failed = true;
    } else if (type === Backend.readyForQuery) {
      status = readStatus(reply, start);
    } else if (type === Backend.notification) {
      notifications.push({
        channel: readCString(reply, start + HEADER_BYTES + 4).text,
        bytes: reply.subarray(start, end),
      });
      leaveOut(start, end);
    }
  });
  leaveOut(reply.length, reply.length);
  return { parts, notifications, commands, failed, status };
}

function firstWord(tag: string): string {
  const space = tag.indexOf(' ');
  return space < 0 ? tag : tag.slice(0, space);
}

function readStatus(reply: Buffer, start: number): TransactionStatus {
  const letter = String.fromCharCode(reply.readUInt8(start + HEADER_BYTES));
  return letter === 'T' || letter === 'E' ? letter : 'I';
}
