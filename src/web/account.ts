import type { WireSignal } from '../wire/signals.js';
import { byId, h, setText } from './dom.js';
import { formatDateTime } from './format.js';
import { announce } from './notices.js';
import { attachPopover } from './popover.js';
import { Session } from './session.js';

const LISTED = 50;

/** The login dialog, and what a user sees of the account: who they are, their signals of the symbol, the way out. */
export class AccountPanel {
  readonly #session: Session;
  readonly #button = byId('account-button');
  readonly #panel = byId('account-panel');
  readonly #dialog = byId<HTMLDialogElement>('login');
  readonly #error = byId('login-error');
  readonly #submit = byId<HTMLButtonElement>('login-submit');

  constructor(session: Session) {
    this.#session = session;
    byId('login-stay-row').hidden = !Session.canStay;
    this.#button.addEventListener('click', () => {
      if (!session.isIn) this.#open();
    });
    attachPopover(
      this.#button,
      this.#panel,
      () => {},
      () => {},
      () => session.isIn,
    );
    byId('login-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#logIn();
    });
    byId('login-cancel').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    byId('logout').addEventListener('click', () => {
      this.#panel.hidePopover();
      void session.logOut().then(() => announce('Logged out'));
    });
    this.render([]);
  }

  /** `signals` ascend. */
  render(signals: readonly WireSignal[]): void {
    const { isIn, email } = this.#session;
    setText(byId('account-label'), isIn ? 'Account' : 'Log in');
    this.#button.dataset.state = isIn ? 'in' : 'out';
    setText(byId('account-email'), email ?? 'Logged in');
    const rows = signals.slice(-LISTED).reverse().map(row);
    byId('signal-rows').replaceChildren(...rows);
    byId('signal-none').hidden = rows.length > 0;
    if (!isIn && this.#panel.matches(':popover-open')) this.#panel.hidePopover();
  }

  #open(): void {
    this.#say('');
    byId<HTMLInputElement>('login-password').value = '';
    this.#dialog.showModal();
    byId<HTMLInputElement>('login-email').focus();
  }

  async #logIn(): Promise<void> {
    const [email, password] = [byId<HTMLInputElement>('login-email'), byId<HTMLInputElement>('login-password')];
    this.#say('');
    this.#submit.disabled = true;
    try {
      await this.#session.logIn(email.value.trim(), password.value, byId<HTMLInputElement>('login-stay').checked);
      this.#dialog.close();
      announce('Logged in');
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
      password.focus();
      password.select();
    } finally {
      this.#submit.disabled = false;
    }
  }

  #say(text: string): void {
    this.#error.hidden = text === '';
    setText(this.#error, text);
  }
}

function row({ type, createdAt, data, source }: WireSignal): HTMLElement {
  const detail = data === null ? source : JSON.stringify(data);
  return h(
    'li',
    {},
    h('b', {}, type),
    h('time', { datetime: new Date(createdAt).toISOString() }, `${formatDateTime(createdAt, false)} UTC`),
    h('small', {}, detail.length > 160 ? `${detail.slice(0, 160)}…` : detail),
  );
}
