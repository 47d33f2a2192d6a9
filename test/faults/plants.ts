import type { Edit } from './kit/build.js';

/** A bug that the suite must notice. */
export interface Plant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The test file that must turn red, and which test of it. */
  readonly scenario: string;
  readonly only?: string;
}

export const PLANTS: readonly Plant[] = [];
