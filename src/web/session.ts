import { fetchEmail, NotAllowed, postJson } from './api.js';

/** An access token is renewed this long before it expires. */
const EARLY_MS = 60_000;
const RETRY_MS = 3_000;
const REFRESH_KEY = 'candlecast.refresh';
const DEVICE_KEY = 'candlecast.device';
const LOCK = 'candlecast.session';

interface Tokens {
  readonly accessToken: string;
  readonly accessExpiresAt: number;
  readonly refreshToken: string;
  readonly deviceToken?: string;
}

/**
 * Who uses the page. The access token lives in memory only. So does the refresh token, unless the user wants to stay logged in: then
 * it is kept in this browser's storage, and the tabs, which share it, take turns to use it, because it works once.
 */
export class Session {
  /** Shown to the user. */
  email: string | null = null;
  readonly #onChange: () => void;
  #tokens: Tokens | null = null;
  #stays = false;
  #ends = 0;
  #renewing: Promise<string | null> | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    window.addEventListener('storage', ({ key, newValue }) => {
      // Another tab has logged out.
      if (key === REFRESH_KEY && newValue === null && this.#stays) this.end();
    });
  }

  /** Without locks between tabs two of them could use the same token, which ends the session. */
  static get canStay(): boolean {
    return 'locks' in navigator && stored(REFRESH_KEY) !== undefined;
  }

  get isIn(): boolean {
    return this.#tokens !== null;
  }

  /** Takes up a session that was to stay; while that cannot be told, again and again. */
  async restore(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.isIn || !Session.canStay || !stored(REFRESH_KEY)) return;
    this.#stays = true;
    const token = await this.#renew().catch((error: unknown) => {
      if (!(error instanceof NotAllowed)) this.#retry = setTimeout(() => void this.restore(), RETRY_MS);
      return null;
    });
    if (token === null) return;
    this.email = await fetchEmail(token).catch(() => null);
    this.#onChange();
  }

  /** Rejects with a sentence for people. */
  async logIn(email: string, password: string, stay: boolean): Promise<void> {
    const deviceToken = stored(DEVICE_KEY);
    const body = { email, password, device: 'Chart page', ...(deviceToken ? { deviceToken } : {}) };
    const tokens = (await postJson('/v1/auth/login', body)) as Tokens;
    if (tokens.deviceToken !== undefined) store(DEVICE_KEY, tokens.deviceToken);
    this.email = email;
    this.#stays = stay && Session.canStay;
    this.#take(tokens);
  }

  async logOut(): Promise<void> {
    const token = this.#tokens?.accessToken;
    this.end();
    if (token !== undefined) await postJson('/v1/auth/logout', {}, token).catch(() => null);
  }

  /** Forgets everything: the session is over. */
  end(): void {
    if (this.#stays) store(REFRESH_KEY, null);
    this.#ends++;
    this.#stays = false;
    this.#tokens = null;
    this.email = null;
    this.#onChange();
  }

  /** A token that is good for a while; null: nobody is logged in, or it cannot be had now. `fresh`: not the one there is. */
  async token(fresh = false): Promise<string | null> {
    const tokens = this.#tokens;
    if (tokens === null) return null;
    if (!fresh && tokens.accessExpiresAt - Date.now() > EARLY_MS) return tokens.accessToken;
    return await this.#renew().catch(() => null);
  }

  #renew(): Promise<string | null> {
    this.#renewing ??= this.#refresh().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #refresh(): Promise<string | null> {
    return this.#stays ? await navigator.locks.request(LOCK, () => this.#refreshOnce()) : await this.#refreshOnce();
  }

  async #refreshOnce(): Promise<string | null> {
    const refreshToken = this.#stays ? stored(REFRESH_KEY) : this.#tokens?.refreshToken;
    if (!refreshToken) return null;
    const before = this.#ends;
    try {
      const tokens = (await postJson('/v1/auth/refresh', { refreshToken })) as Tokens;
      if (before === this.#ends) this.#take(tokens);
    } catch (error) {
      if (error instanceof NotAllowed && before === this.#ends) this.end();
      throw error;
    }
    return this.#tokens?.accessToken ?? null;
  }

  #take(tokens: Tokens): void {
    const isNew = this.#tokens === null;
    this.#tokens = tokens;
    if (this.#stays) store(REFRESH_KEY, tokens.refreshToken);
    if (isNew) this.#onChange();
  }
}

/** undefined: there is no storage. */
function stored(key: string): string | null | undefined {
  try {
    return localStorage.getItem(key);
  } catch {
    return undefined;
  }
}

function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Storage is refused (private mode): the session ends with the page.
  }
}
