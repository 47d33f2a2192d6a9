/**
 * The days of one symbol with `ratio`, the close over that of the day before. It is null on the first day and after a hole: what
 * happened over several days is no daily return, and spreading it over them would be invented. Parameters: symbol, since, to.
 */
export const DAYS_WITH_RATIO = `
  SELECT *, if(date - lagInFrame(date, 1, date) OVER before = 1, close / lagInFrame(close) OVER before, NULL) AS ratio
  FROM daily_ohlcv FINAL
  WHERE symbol = {symbol:String} AND date >= {since:Date} AND date < {to:Date}
  WINDOW before AS (ORDER BY date ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`;
