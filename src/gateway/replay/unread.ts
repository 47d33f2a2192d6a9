/** A ping follows so many bytes. */
const MARK_BYTES = 32 * 1024;
/** No more than so many are on their way: with a hundredth of a second between here and the client 50 MB/s. */
const WINDOW_BYTES = 512 * 1024;

/** Begins the payloads of these pings; those of connections are numbers. */
export const MARK = 'replay-';
let marks = 0;

/** What a client has been sent and not shown to have read: the kernel hides megabytes, only answers to pings prove it. */
export class Unread {
  #sent = 0;
  #marked = 0;
  #read = 0;
  #pings: { readonly payload: string; readonly sent: number }[] = [];

  /** @returns the payload of a ping that is to follow; null: none. */
  sent(bytes: number): string | null {
    this.#sent += bytes;
    if (this.#sent - this.#marked < MARK_BYTES) return null;
    this.#marked = this.#sent;
    const payload = `${MARK}${++marks}`;
    this.#pings.push({ payload, sent: this.#sent });
    return payload;
  }

  answered(payload: string): void {
    const index = this.#pings.findIndex((ping) => ping.payload === payload);
    const ping = this.#pings[index];
    if (ping === undefined) return;
    this.#read = ping.sent;
    this.#pings = this.#pings.slice(index + 1);
  }

  get full(): boolean {
    return this.#marked - this.#read >= WINDOW_BYTES;
  }
}
