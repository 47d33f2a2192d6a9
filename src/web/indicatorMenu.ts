import { byId, h, setText } from './dom.js';
import { INDICATORS, type IndicatorId, isIndicator } from './indicators.js';
import { attachPopover } from './popover.js';

const KEY = 'candlecast.indicators';

/** The menu of indicators: a list of checkboxes; what is chosen is remembered. */
export class IndicatorMenu {
  readonly #choose: (ids: readonly IndicatorId[]) => void;
  readonly #list = byId('indicator-list');

  constructor(choose: (ids: readonly IndicatorId[]) => void) {
    this.#choose = choose;
    const chosen = remembered();
    this.#list.append(...INDICATORS.map(({ id, name }) => option(id, name, chosen.includes(id))));
    this.#list.addEventListener('change', () => this.#changed());
    const first = () => this.#list.querySelector('input')?.focus();
    attachPopover(byId('indicator-button'), byId('indicator-panel'), first, () => {});
    this.#count();
  }

  get chosen(): IndicatorId[] {
    return [...this.#list.querySelectorAll('input')]
      .filter(({ checked }) => checked)
      .map(({ value }) => value)
      .filter(isIndicator);
  }

  #changed(): void {
    const { chosen } = this;
    try {
      localStorage.setItem(KEY, chosen.join(','));
    } catch {
      // Storage is refused (private mode): the choice holds for this page.
    }
    this.#count();
    this.#choose(chosen);
  }

  #count(): void {
    const { length } = this.chosen;
    setText(byId('indicator-count'), length === 0 ? '' : String(length));
  }
}

function remembered(): IndicatorId[] {
  try {
    return (localStorage.getItem(KEY) ?? '').split(',').filter(isIndicator);
  } catch {
    return [];
  }
}

function option(id: IndicatorId, name: string, checked: boolean): HTMLElement {
  const box = h('input', { type: 'checkbox', value: id, checked, 'data-testid': `indicator-${id}` });
  return h('label', { class: 'choice' }, box, h('i', { class: `swatch ${id}`, 'aria-hidden': 'true' }), name);
}
