import { UserError } from '../../kit/errors.js';
import { isFields } from './json.js';

/** What is used of a ccxt exchange. */
export interface CcxtExchange {
  readonly has: Readonly<Record<string, unknown>>;
  loadMarkets(): Promise<Readonly<Record<string, unknown>>>;
  watchTrades(symbol: string): Promise<readonly unknown[]>;
  fetchTrades(symbol: string, since?: number, limit?: number): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/** Makes one more connection to the exchange. */
export type OpenExchange = () => CcxtExchange;

type ExchangeClass = new (options: object) => CcxtExchange & { number: unknown };

/** The optional package, loaded when a feed wants it. @throws UserError when it is not installed or has no such exchange. */
export async function loadCcxt(exchange: string, packageName = 'ccxt'): Promise<OpenExchange> {
  const ccxt = await importPackage(packageName);
  const pro = isFields(ccxt) ? ccxt.pro : null;
  const classes: Readonly<Record<string, unknown>> =
    typeof pro === 'object' && pro !== null ? (pro as Record<string, unknown>) : {};
  const Exchange = Object.hasOwn(classes, exchange) ? classes[exchange] : undefined;
  if (typeof Exchange !== 'function')
    throw new UserError(
      `FEEDS: ccxt streams no exchange "${exchange}"; its names are lower case, such as okx or bybit`,
    );
  return () => {
    const made = new (Exchange as ExchangeClass)({ enableRateLimit: true, newUpdates: true });
    // Prices stay the text that the exchange sent.
    made.number = String;
    return made;
  };
}

async function importPackage(name: string): Promise<unknown> {
  try {
    const module: unknown = await import(name);
    return isFields(module) && 'default' in module ? module.default : module;
  } catch (cause) {
    if (isFields(cause) && cause.code === 'ERR_MODULE_NOT_FOUND')
      throw new UserError('FEEDS: feeds by ccxt need the package ccxt, which is not installed: npm install ccxt', {
        cause,
      });
    throw cause;
  }
}
