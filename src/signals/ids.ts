import { v7 } from 'uuid';

/** A UUIDv7. */
export function newSignalId(): string {
  return v7();
}
