import { h } from '../dom.js';

export interface Option {
  readonly label: string;
  readonly days: number;
}

/** Buttons of which one is chosen. Arrow keys move the choice, as in every radio group. */
export class Choice {
  #days: number;
  readonly #place: HTMLElement;
  readonly #options: readonly Option[];
  readonly #onChoose: () => void;

  constructor(place: HTMLElement, options: readonly Option[], days: number, onChoose: () => void) {
    this.#place = place;
    this.#options = options;
    this.#days = days;
    this.#onChoose = onChoose;
    place.addEventListener('keydown', (event) => this.#key(event));
    this.#render();
  }

  get days(): number {
    return this.#days;
  }

  #choose(days: number): void {
    if (days === this.#days) return;
    this.#days = days;
    this.#render();
    this.#onChoose();
  }

  #render(): void {
    this.#place.replaceChildren(
      ...this.#options.map(({ label, days }) => {
        const chosen = days === this.#days;
        const attributes = { class: 'interval', role: 'radio', type: 'button', tabindex: chosen ? 0 : -1 };
        const button = h(
          'button',
          { ...attributes, 'aria-checked': String(chosen), 'data-testid': `days-${days}` },
          label,
        );
        button.addEventListener('click', () => this.#choose(days));
        return button;
      }),
    );
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = this.#options.findIndex(({ days }) => days === this.#days);
    const next = this.#options[(at + step + this.#options.length) % this.#options.length];
    if (next === undefined) return;
    this.#choose(next.days);
    this.#place.querySelector<HTMLElement>('[aria-checked="true"]')?.focus();
  }
}
