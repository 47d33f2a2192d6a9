/** A line longer than this is no trade: it is cut, and the rest of it skipped, so that memory stays bounded. */
export const MAX_LINE_LENGTH = 1024;
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf';

/** Cuts text that comes in arbitrary pieces into lines without their LF or CRLF. A byte order mark (UTF-8 read as Latin-1) is dropped. */
export class LineSplitter {
  #rest = '';
  #skipping = false;
  #first = true;

  /** @returns the lines completed by `text`; an overlong one as its first MAX_LINE_LENGTH + 1 characters. */
  push(text: string): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#complete(lines, text.slice(start, end));
      start = end + 1;
    }
    if (!this.#skipping) this.#rest += text.slice(start, start + MAX_LINE_LENGTH + 2);
    if (this.#rest.length > MAX_LINE_LENGTH + 1) {
      lines.push(this.#clean(this.#rest));
      this.#rest = '';
      this.#skipping = true;
    }
    return lines;
  }

  /** The last line where no line end follows it. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = '';
    return rest === '' ? [] : [this.#clean(rest)];
  }

  #complete(lines: string[], tail: string): void {
    if (!this.#skipping) lines.push(this.#clean(this.#rest + tail));
    this.#rest = '';
    this.#skipping = false;
  }

  #clean(line: string): string {
    let text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (this.#first && text.startsWith(BYTE_ORDER_MARK)) text = text.slice(BYTE_ORDER_MARK.length);
    this.#first = false;
    return text.length > MAX_LINE_LENGTH ? text.slice(0, MAX_LINE_LENGTH + 1) : text;
  }
}
