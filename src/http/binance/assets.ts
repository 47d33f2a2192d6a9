/** What a symbol trades and what it is paid in, where its name tells: ours are as venues write them. */
export interface Assets {
  readonly base: string;
  readonly quote: string;
}

/** Clients want some name. */
export const NO_QUOTE = 'NONE';
/** The longest that fits wins. DEMO is that of the made-up market. */
const QUOTES = (
  'FDUSD USDT USDC TUSD BUSD USDP DEMO IDRT BIDR BVND DAI USD EUR GBP JPY AUD CAD CHF TRY BRL RUB UAH ZAR NGN PLN RON ' +
  'ARS MXN COP CZK KRW INR BTC XBT ETH BNB XRP TRX DOGE DOT SOL VAI'
)
  .split(' ')
  .sort((a, b) => b.length - a.length);

export function assetsOf(symbol: string): Assets {
  const [base, quote, ...rest] = symbol.split(/[-_.]/);
  if (base && quote && rest.length === 0) return { base, quote };
  const found = QUOTES.find((name) => symbol.length > name.length && symbol.endsWith(name));
  return found === undefined
    ? { base: symbol, quote: NO_QUOTE }
    : { base: symbol.slice(0, -found.length), quote: found };
}
