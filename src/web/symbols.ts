import type { SymbolInfo } from './api.js';
import { byId, h } from './dom.js';
import { direction, formatChange, formatPrice, pricePrecision } from './format.js';
import { attachPopover } from './popover.js';
import type { Quotes } from './quotes.js';

/** What it shows of a symbol besides its name. */
type Days = Pick<Quotes, 'day'>;

/** The list of symbols below the symbol's name: search, arrow keys, Enter (the combobox pattern). */
export class SymbolPicker {
  readonly #button = byId('symbol-button');
  readonly #panel = byId('symbol-panel');
  readonly #search = byId<HTMLInputElement>('symbol-search');
  readonly #list = byId('symbol-list');
  readonly #quotes: Days;
  readonly #choose: (symbol: string) => void;
  #symbols: readonly SymbolInfo[] = [];
  #shown: readonly SymbolInfo[] = [];
  #current: string | null = null;
  #active = 0;

  /** `onOpen` tells which symbols are looked at; none when it closes. */
  constructor(quotes: Days, choose: (symbol: string) => void, onLook: (symbols: readonly string[]) => void) {
    this.#quotes = quotes;
    this.#choose = choose;
    attachPopover(
      this.#button,
      this.#panel,
      () => {
        this.#opened();
        onLook(this.#symbols.map((info) => info.symbol));
      },
      () => onLook([]),
    );
    this.#search.addEventListener('input', () => this.#filter(0));
    this.#search.addEventListener('keydown', (event) => this.#key(event));
    this.#list.addEventListener('click', (event) => this.#clicked(event));
    document.addEventListener('keydown', (event) => this.#shortcut(event));
  }

  open(): void {
    if (!this.#panel.matches(':popover-open')) this.#panel.showPopover();
  }

  setSymbols(symbols: readonly SymbolInfo[]): void {
    this.#symbols = symbols;
    if (this.#panel.matches(':popover-open')) this.#filter(this.#active);
  }

  setCurrent(symbol: string | null): void {
    this.#current = symbol;
  }

  /** A price changed: only the figures of its row are written. */
  refreshQuote(symbol: string): void {
    const row = document.getElementById(`option-${symbol}`);
    if (row !== null) writeQuote(row, this.#quotes, symbol);
  }

  #opened(): void {
    this.#search.value = '';
    this.#filter(0);
    const current = this.#shown.findIndex((info) => info.symbol === this.#current);
    this.#activate(Math.max(0, current));
    this.#search.focus();
  }

  #filter(active: number): void {
    const text = this.#search.value.trim().toUpperCase();
    this.#shown = this.#symbols.filter((i) => i.symbol.includes(text) || i.source.toUpperCase().includes(text));
    this.#list.replaceChildren(...this.#shown.map((info) => this.#row(info)));
    byId('symbol-none').hidden = this.#shown.length > 0;
    this.#activate(active);
  }

  #row(info: SymbolInfo): HTMLElement {
    const selected = info.symbol === this.#current;
    const id = `option-${info.symbol}`;
    const badge = info.synthetic ? h('span', { class: 'synthetic' }, 'Synthetic') : null;
    const title = h('div', { class: 'title' }, info.symbol, badge);
    const attributes = {
      id,
      class: 'option',
      role: 'option',
      'aria-selected': String(selected),
      'data-symbol': info.symbol,
    };
    const row = h(
      'div',
      { ...attributes, 'data-testid': id },
      h('div', {}, title, h('div', { class: 'source' }, info.source)),
      h('span', { class: 'last' }),
      h('span', { class: 'change' }),
    );
    writeQuote(row, this.#quotes, info.symbol);
    return row;
  }

  #activate(index: number): void {
    const rows = [...this.#list.children];
    this.#active = Math.max(0, Math.min(index, rows.length - 1));
    for (const [i, row] of rows.entries()) row.classList.toggle('active', i === this.#active);
    const row = rows[this.#active];
    row?.scrollIntoView({ block: 'nearest' });
    this.#search.setAttribute('aria-activedescendant', row?.id ?? '');
  }

  #key(event: KeyboardEvent): void {
    const last = this.#shown.length - 1;
    if (event.key === 'ArrowDown') this.#activate(this.#active === last ? 0 : this.#active + 1);
    else if (event.key === 'ArrowUp') this.#activate(this.#active === 0 ? last : this.#active - 1);
    else if (event.key === 'Enter') this.#take(this.#shown[this.#active]?.symbol);
    else return;
    event.preventDefault();
  }

  #clicked(event: Event): void {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('.option') : null;
    this.#take(row?.dataset.symbol);
  }

  #take(symbol: string | undefined): void {
    if (symbol === undefined) return;
    this.#panel.hidePopover();
    this.#choose(symbol);
  }

  #shortcut(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.open();
  }
}

function writeQuote(row: HTMLElement, quotes: Days, symbol: string): void {
  const day = quotes.day(symbol);
  const [last, change] = [row.querySelector<HTMLElement>('.last'), row.querySelector<HTMLElement>('.change')];
  if (last === null || change === null) return;
  last.textContent = day === undefined ? '–' : formatPrice(day.c, pricePrecision([day.o, day.h, day.l, day.c]));
  change.textContent = day === undefined ? '' : formatChange(day.o, day.c);
  change.dataset.direction = day === undefined ? 'flat' : direction(day.o, day.c);
}
