import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Count, Counter, CreateCounter } from './counters.js';
import { AccountError } from './errors.js';

export interface LoginRules {
  readonly windowMs: number;
  /** Failed logins of an address, whatever the accounts. */
  readonly perAddress: number;
  /** Failed logins to one account from one address. */
  readonly perAccountAndAddress: number;
  /** Failed logins to one account from addresses and devices that are not known, in `accountWindowMs`: above it each address may fail once. */
  readonly perAccount: number;
  readonly accountWindowMs: number;
  /** Failed logins of a device that is known, which the others do not concern. */
  readonly perDevice: number;
  /** Devices looked up for an address; more are taken for unknown ones. */
  readonly lookupsPerAddress: number;
  /** New accounts of an address in `accountWindowMs`. */
  readonly registrationsPerAddress: number;
}

export const LOGIN_RULES: LoginRules = {
  windowMs: 15 * 60_000,
  perAddress: 30,
  perAccountAndAddress: 5,
  perAccount: 20,
  accountWindowMs: 3_600_000,
  perDevice: 10,
  lookupsPerAddress: 100,
  registrationsPerAddress: 20,
};

export interface Attempt {
  /** It was a right password: it counts for nothing, and the failures before it are forgotten. */
  succeeded(): Promise<void>;
  /** No password was compared. */
  undo(): Promise<void>;
}

export interface Attempted {
  readonly account: string;
  readonly address: string;
  /** Of a device on which the account was logged in to before; null = of any other. */
  readonly device: string | null;
}

/**
 * Bounds guessing without giving anyone a way to lock somebody else out: what is counted for an account as a whole never
 * refuses a first attempt from an address, and a device that has logged in before is counted by itself.
 * Attempts are counted before they are made, so that many at once are not one.
 */
export class LoginLimits {
  readonly #rules: LoginRules;
  readonly #address: Counter;
  readonly #pair: Counter;
  readonly #account: Counter;
  readonly #device: Counter;
  readonly #lookups: Counter;
  readonly #registrations: Counter;

  constructor(create: CreateCounter, rules: LoginRules = LOGIN_RULES) {
    this.#rules = rules;
    this.#address = create('login-address', rules.windowMs);
    this.#pair = create('login-pair', rules.windowMs);
    this.#account = create('login-account', rules.accountWindowMs);
    this.#device = create('login-device', rules.windowMs);
    this.#lookups = create('login-lookups', rules.windowMs);
    this.#registrations = create('registrations', rules.accountWindowMs);
  }

  /** Before a password is compared. @throws AccountError too_many_attempts */
  enter({ account, address, device }: Attempted): Promise<Attempt> {
    const who = digest(account);
    return device === null ? this.#enterUnknown(who, network(address)) : this.#enterKnown(digest(`${who} ${device}`));
  }

  /** @throws AccountError too_many_attempts */
  async register(address: string): Promise<void> {
    bound(await this.#registrations.add(digest(network(address))), this.#rules.registrationsPerAddress);
  }

  async mayLookUpDevice(address: string): Promise<boolean> {
    return (await this.#lookups.add(digest(network(address)))).count <= this.#rules.lookupsPerAddress;
  }

  async #enterKnown(key: string): Promise<Attempt> {
    await take(this.#device, key, this.#rules.perDevice);
    return { succeeded: () => this.#device.clear(key), undo: () => this.#device.takeBack(key) };
  }

  async #enterUnknown(account: string, from: string): Promise<Attempt> {
    const { perAddress, perAccount, perAccountAndAddress } = this.#rules;
    const address = digest(from);
    const pair = digest(`${account} ${address}`);
    await take(this.#address, address, perAddress);
    try {
      const attacked = (await this.#account.get(account)).count >= perAccount;
      await take(this.#pair, pair, attacked ? 1 : perAccountAndAddress);
    } catch (error) {
      await this.#address.takeBack(address);
      throw error;
    }
    await this.#account.add(account);
    const takeBack = async (): Promise<void> => {
      await Promise.all([this.#address.takeBack(address), this.#account.takeBack(account)]);
    };
    return {
      succeeded: async () => void (await Promise.all([takeBack(), this.#pair.clear(pair)])),
      undo: async () => void (await Promise.all([takeBack(), this.#pair.takeBack(pair)])),
    };
  }
}

/** What is refused was not attempted and counts for nothing: many who log in at once do not shut each other out. @throws AccountError */
async function take(counter: Counter, key: string, limit: number): Promise<void> {
  const counted = await counter.add(key);
  if (counted.count > limit) await counter.takeBack(key);
  bound(counted, limit);
}

function bound({ count, resetMs }: Count, limit: number): void {
  if (count > limit) throw new AccountError('too_many_attempts', 'too many attempts', Math.max(1000, resetMs));
}

/** Neither addresses nor accounts stand in Redis. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Who has one IPv6 address has the other 2^64 of its network. */
export function network(address: string): string {
  if (!isIPv6(address)) return address;
  const canonical = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last];
  const isMapped = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff';
  return isMapped ? groups.slice(6).map(toBytes).join('.') : `${groups.slice(0, 4).join(':')}::/64`;
}

function toBytes(group: string): string {
  const value = Number.parseInt(group, 16);
  return `${value >> 8}.${value & 255}`;
}
