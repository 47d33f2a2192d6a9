/** Everything long-lived. The composition root starts services in order and stops them in reverse. */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  /** Stops taking in work, finishes what is under way, frees resources. Called once. */
  stop(): Promise<void>;
}
